"""What the header of a clip claims, held against the limits before the first frame is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crosswire.contract.wire_names import CLIP
from crosswire.media.clips.streams import audio_streams, video_streams
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.media.images import ImageError


@dataclass
class Facts:
    """What is known about one clip.

    Attributes:
        container: its name for people.
        seconds: how long it lasts, as its header says or, where it does not, its packets; or None.
        pictures: `codec`, `width`, `height` of the first stream of moving pictures as they are shown, `at`, the seconds
            of the frames taken, and where they were turned `rotated` and `mirrored`; or None.
        sound: `codec`, `rate`, `channels` of the first stream of sound; or None.
        warnings: what is odd about it, each a name, a colon and words.
    """

    container: str
    seconds: float | None = None
    pictures: dict[str, Any] | None = None
    sound: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


def check_header(container: Any, facts: Facts, limits: ClipLimits) -> None:
    """Hold what the header claims against the limits, and note it.

    Raises:
        ImageError: it claims too much, or has neither pictures nor sound.
    """
    import av

    try:
        videos, audios = video_streams(container), audio_streams(container)
    except ValueError as error:
        raise ImageError(f"{CLIP}: {error}") from None
    if len(videos) + len(audios) > limits.streams:
        raise ImageError(f"{CLIP} has {len(videos) + len(audios)} streams; allowed are {limits.streams}")
    lengths = [facts.seconds or 0.0, (container.duration or 0) / av.time_base]
    lengths += [float(one.duration * one.time_base) for one in (*videos, *audios) if one.duration and one.time_base]
    _check_length(max(lengths), "header", facts, limits)
    for stream in videos:
        width, height = stream.codec_context.width, stream.codec_context.height
        if not 0 < width * height <= limits.pixels or max(width, height) > limits.side:
            size = f"{width} x {height}" if width * height else "a size that cannot be read or is not allowed"
            raise ImageError(
                f"{CLIP} has pictures of {size}; allowed are {limits.pixels} pixels and {limits.side} a "
                "side: scale it down first"
            )
    if videos:
        codec = videos[0].codec_context
        facts.pictures = {"codec": codec.name, "width": codec.width, "height": codec.height}
    if audios:
        codec = audios[0].codec_context
        facts.sound = {"codec": codec.name, "rate": codec.sample_rate, "channels": codec.channels}
    if not (facts.pictures or facts.sound):
        raise ImageError(f"{CLIP} holds neither pictures nor sound; send a clip with one of them at least")
    if max(len(videos), len(audios)) > 1:
        facts.warnings.append("clip_several_streams: the first pictures and the first sound were taken")


def check_packets(container: Any, facts: Facts, limits: ClipLimits) -> None:
    """Hold how long the packets last against the limits, where the header does not say, and note it.

    Raises:
        ImageError: they last too long.
    """
    ends: dict[int, tuple[int, int]] = {}
    streams = [*video_streams(container), *audio_streams(container)]
    for packet in container.demux(streams):
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            index, end = packet.stream_index, time + (packet.duration or 0)
            first, last = ends.get(index, (time, end))
            ends[index] = min(first, time), max(last, end)
    lengths = [float((ends[one.index][1] - ends[one.index][0]) * one.time_base) for one in streams if one.index in ends]
    _check_length(max(lengths, default=0.0), "packets", facts, limits)


def _check_length(seconds: float, source: str, facts: Facts, limits: ClipLimits) -> None:
    """Hold a length against the limits, and note it; one that is not above 0 is unknown."""
    facts.seconds = round(seconds, 3) if seconds > 0 else None
    if seconds > limits.seconds:
        raise ImageError(f"{CLIP} lasts {seconds:.0f} s by its {source}; allowed are {limits.seconds:g} s: cut it")
