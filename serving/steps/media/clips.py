"""Reading clips within limits: the frames and the samples that a network sees of a file, with PyAV.

The frames are those of the first stream of moving pictures: frame i is the latest one at or before i / rate seconds
after the first. The sound is that of the first stream of sound, from the first frame on, mixed to one channel and
resampled. Everything that a header claims is held against the limits before the first frame is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crosswire.contract.wire_names import CLIP
from crosswire.media.clips.frames import SeenFrames, read_frames
from crosswire.media.clips.shape import ClipShape
from crosswire.media.clips.waveform import HeardSound, read_waveform
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.media.clip_header import Facts, check_header, check_packets
from crosswire.serving.steps.media.clip_warnings import note_frames, note_sound
from crosswire.serving.steps.media.containers import CONTAINERS, claimed_seconds, container_of
from crosswire.serving.steps.media.images import ImageError

#: Quieter than one step of 16-bit sound: there is nothing in it.
SILENCE = 2.0**-15


class Clip(NamedTuple):
    """What was read; an absent modality, and one that the network does not take, is None.

    Attributes:
        frames: uint8 [T, H, W, 3]; the last frame stands where the clip is shorter.
        waveform: mono, -1..1, float32 [S]; silence where the sound is shorter.
        facts: what is known about the clip.
    """

    frames: npt.NDArray[np.uint8] | None
    waveform: npt.NDArray[np.float32] | None
    facts: Facts


def read_clip(data: bytes, shape: ClipShape, limits: ClipLimits) -> Clip:
    """Read a clip; what the network does not take is not decoded.

    Raises:
        ImageError: it is empty, too large, of another kind, damaged, or holds neither pictures nor sound.
    """
    if len(data) > limits.encoded_bytes:
        raise ImageError(f"{CLIP} has {len(data)} bytes; allowed are {limits.encoded_bytes}: cut or compress it")
    kind = container_of(data, CLIP)
    facts = Facts(CONTAINERS[kind], claimed_seconds(data, kind))
    seen = heard = None
    with _opened(data, kind, limits) as container:
        check_header(container, facts, limits)
        if facts.seconds is None:
            with _opened(data, kind, limits) as whole:
                _read(lambda: check_packets(whole, facts, limits), "packets")
        if facts.pictures is not None and shape.frames:
            seen = _read(lambda: _frames(container, lambda: _opened(data, kind, limits), shape, limits), "pictures")
    if seen is not None:
        note_frames(facts, seen, shape)
    if facts.sound is not None and shape.samples:
        with _opened(data, kind, limits) as container:
            heard = _read(lambda: _sound(container, shape, seen.start if seen else None, limits), "sound")
    if heard is not None:
        note_sound(facts, heard, shape, seen)
    if seen is None and heard is None and shape.frames and shape.samples:
        raise ImageError(f"{CLIP} holds neither pictures nor sound that can be decoded; send another file")
    return Clip(seen.pixels if seen else None, heard.samples if heard else None, facts)


def _opened(data: bytes, kind: str, limits: ClipLimits) -> Any:
    """Open a clip by one demuxer, which reads nothing but these bytes."""
    import av

    options = {"max_pixels": str(limits.pixels), "probesize": "2000000", "analyzeduration": "2000000"}
    try:
        container = av.open(io.BytesIO(data), format=kind, options={**options, "protocol_whitelist": "none"})
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise ImageError(
            f"{CLIP} is a damaged {CONTAINERS[kind]} file: {_words(error)}; send a whole, undamaged file"
        ) from None
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"max_pixels": str(limits.pixels)}
    return container


def _read(read: Any, what: str) -> Any:
    """Read one modality, with an error that names it."""
    import av

    try:
        return read()
    except ImageError:
        raise
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise ImageError(f"the {what} of {CLIP} cannot be decoded: {_words(error)}; send an undamaged file") from None


def _words(error: Exception) -> str:
    """Return what FFmpeg says, without its number and the place."""
    said = getattr(error, "strerror", None) or str(error)
    return str(said).splitlines()[0][:200] if said else type(error).__name__


def _frames(container: Any, again: Callable[[], Any], shape: ClipShape, limits: ClipLimits) -> SeenFrames | None:
    """Return the frames of the first stream of pictures, or None where it has none."""

    def check(index: int, frame: Any) -> None:
        if index >= limits.decoded_frames:
            raise ImageError(f"{CLIP} has more than {limits.decoded_frames} frames in what is looked at; send fewer")
        if frame.width * frame.height > limits.pixels:
            raise ImageError(
                f"{CLIP} has a frame of {frame.width} x {frame.height}; allowed are {limits.pixels} pixels"
            )

    return read_frames(container, again, shape, check)


def _sound(container: Any, shape: ClipShape, start: float | None, limits: ClipLimits) -> HeardSound | None:
    """Return the sound of the first stream of sound, or None where it has none."""

    def check(frame: Any) -> None:
        if frame.sample_rate > limits.sample_rate:
            raise ImageError(
                f"{CLIP} has sound of {frame.sample_rate} samples a second; allowed are {limits.sample_rate}"
            )

    return read_waveform(container, shape, start, check)
