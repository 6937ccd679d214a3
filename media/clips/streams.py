"""Which streams of a container are a clip's pictures and its sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_ATTACHED_PICTURE, _TIMED_THUMBNAILS = 0x400, 0x800


def video_streams(container: Any) -> list[Any]:
    """Return the streams of moving pictures that can be decoded; cover art and thumbnails are none.

    Raises:
        ValueError: there are some, and none can be decoded.
    """
    moving = [
        stream
        for stream in container.streams.video
        if not int(stream.disposition) & (_ATTACHED_PICTURE | _TIMED_THUMBNAILS)
    ]
    return _decodable(moving, "pictures")


def audio_streams(container: Any) -> list[Any]:
    """Return the streams of sound that can be decoded.

    Raises:
        ValueError: there are some, and none can be decoded.
    """
    return _decodable(container.streams.audio, "sound")


def _decodable(streams: Sequence[Any], what: str) -> list[Any]:
    """Return those of some streams for which there is a decoder."""
    found = [stream for stream in streams if stream.codec_context is not None]
    if streams and not found:
        raise ValueError(f"got {what} in a code that there is no decoder for, expected a common one; try H.264 and AAC")
    return found
