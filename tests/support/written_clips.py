"""Clips made of given pictures and sound, as other people's devices write them: any times, layout and container."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition
from numpy.typing import NDArray

from crosswire.media.clips.shape import ClipShape
from crosswire.serving.config.limits import ClipLimits
from crosswire.serving.steps.media.clips import Clip, read_clip
from crosswire.training.datasets.clips import read as training_clips

SAMPLE_RATE = 16000
#: What the networks of these tests see: four frames, two a second, and two seconds of sound.
SHAPE = ClipShape(frames=4, height=24, width=32, rate=2.0, samples=32000, sample_rate=SAMPLE_RATE)
_TICKS = 1000
Array = NDArray[Any]


def read_alike(data: bytes, shape: ClipShape = SHAPE, limits: ClipLimits | None = None) -> Clip:
    """Read a clip as the server does, after holding that training reads the same of it."""
    clip = read_clip(data, shape, limits or ClipLimits())
    theirs = training_clips.read_clip(
        data,
        training_clips.ClipShape(
            shape.frames, shape.height, shape.width, shape.rate or 0.0, shape.samples, shape.sample_rate
        ),
    )
    for ours, other in ((clip.frames, theirs.frames), (clip.waveform, theirs.waveform)):
        assert (ours is None) == (other is None)
        if ours is not None and other is not None:
            np.testing.assert_array_equal(ours, other)
    return clip


def names(clip: Clip) -> list[str]:
    """Return the names of a clip's warnings."""
    return [warning.split(":")[0] for warning in clip.facts.warnings]


def tone(seconds: float = 2.0, *, loudness: float = 0.5, pitch: float = 440.0, rate: int = SAMPLE_RATE) -> Array:
    """Return a tone, float32 [n]."""
    times = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * pitch * times) * loudness).astype(np.float32)


def greys(count: int, *, rate: float = 10.0, height: int = 48, width: int = 64) -> list[tuple[float, Array]]:
    """Return pictures with their seconds, each lighter than the one before by 8."""
    return [(index / rate, np.full((height, width, 3), min(8 * index, 248), np.uint8)) for index in range(count)]


def brightness(clip: Clip) -> list[int]:
    """Return which pictures of `greys` a clip's frames are."""
    assert clip.frames is not None
    return [round(float(frame.mean()) / 8) for frame in clip.frames]


def written(
    container: str = "matroska",
    pictures: Sequence[tuple[float, Array]] = (),
    sound: Array | None = None,
    *,
    codec: str = "libx264",
    sound_codec: str = "pcm_s16le",
    layout: str = "mono",
    rate: int = SAMPLE_RATE,
    sound_at: float = 0.0,
    options: dict[str, str] | None = None,
    cover: bytes = b"",
    data_streams: int = 0,
    timed: Callable[[Any], None] = lambda packet: None,
) -> bytes:
    """Return a clip.

    Args:
        container: FFmpeg's name of the format.
        pictures: seconds and uint8 [H, W, 3] of each.
        sound: -1..1, float32 [n], or [C, n] for a layout of C channels.
        codec: of the pictures.
        sound_codec: of the sound.
        layout: of the sound's channels.
        rate: samples of the sound per second.
        sound_at: seconds at which the sound begins.
        options: of the container.
        cover: a JPEG image of 200 x 200 that is attached as cover art.
        data_streams: how many streams are neither pictures nor sound.
        timed: changes the times of a packet before it is written.
    """
    packets = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip"  # and no buffer: an index is moved to the front by reading the file again
        with av.open(str(file), "w", format=container, options=options or {}) as out:
            video = _video(out, codec, pictures) if len(pictures) else None
            audio = out.add_stream(sound_codec, rate=rate, layout=layout) if sound is not None else None
            if cover:
                _attach(out, container, cover)
            for _ in range(data_streams):
                out.add_data_stream("bin_data")
            if video is not None:
                packets += _encoded_pictures(video, pictures)
            if audio is not None and sound is not None:
                packets += _encoded_sound(audio, np.atleast_2d(sound), layout, rate, sound_at)
            for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
                timed(packet)
                out.mux(packet)
        return file.read_bytes()


def _attach(out: Any, container: str, cover: bytes) -> None:
    """Add cover art."""
    if container == "matroska":
        out.add_attachment("cover.jpg", "image/jpeg", cover)
        return
    stream = out.add_stream("mjpeg", rate=1)
    stream.width = stream.height = 200
    stream.pix_fmt, stream.disposition = "yuvj420p", Disposition.attached_pic
    packet = av.Packet(cover)
    packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 1)
    out.start_encoding()
    out.mux(packet)


def _video(out: Any, codec: str, pictures: Sequence[tuple[float, Array]]) -> Any:
    """Add a stream of pictures."""
    stream = out.add_stream(codec, rate=10)
    stream.height, stream.width = pictures[0][1].shape[:2]
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.codec_context.time_base = Fraction(1, _TICKS)
    stream.codec_context.thread_count = 1
    return stream


def _encoded_pictures(stream: Any, pictures: Sequence[tuple[float, Array]]) -> list[Any]:
    """Return the packets of pictures."""
    packets = []
    for time, picture in pictures:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = round(time * _TICKS), Fraction(1, _TICKS)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def _encoded_sound(stream: Any, sound: Array, layout: str, rate: int, at: float) -> list[Any]:
    """Return the packets of sound."""
    kind = stream.codec_context.format.name
    size = stream.codec_context.frame_size or 1024
    packets = []
    for start in range(0, sound.shape[1], size):
        part = np.ascontiguousarray(sound[:, start : start + size].T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        resampled = av.AudioResampler(format=kind, layout=layout, rate=rate).resample(frame)
        for one in resampled:
            one.pts, one.time_base = round(at * rate) + start, Fraction(1, rate)
            packets += stream.encode(one)
    return [*packets, *stream.encode(None)]


def turned(data: bytes, matrix: tuple[float, float, float, float]) -> bytes:
    """Return an MP4 or QuickTime file whose track of pictures is shown by a matrix (a, b, c, d)."""
    changed = bytearray(data)
    place = changed.find(b"tkhd") + 4
    place += 4 + (32 if changed[place] else 20) + 16
    a, b, c, d = (round(one * 65536) for one in matrix)
    changed[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(changed)


def remuxed(data: bytes, container: str, filters: str | None = None) -> bytes:
    """Return a clip's first pictures and sound in another container, untouched or through a bit stream filter."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data)) as read, av.open(file, "w", format=container) as out:
        taken = [*read.streams.video[:1], *read.streams.audio[:1]]
        to = {stream.index: out.add_stream_from_template(stream) for stream in taken}
        bits = BitStreamFilterContext(filters, taken[0]) if filters else None
        for packet in read.demux(taken):
            index = packet.stream_index
            last = packet.dts is None
            parts = bits.filter(None if last else packet) if bits and index == taken[0].index else [packet][last:]
            for part in parts:
                part.stream = to[index]
                out.mux(part)
    return file.getvalue()
