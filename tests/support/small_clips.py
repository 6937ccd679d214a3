"""Clips made here: known pictures and a known tone, in any container, with or without either."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT, RATE, SAMPLE_RATE = 64, 48, 10, 16000
_CODECS = {
    "mp4": ("mpeg4", "aac"),
    "webm": ("libvpx", "libopus"),
    "matroska": ("mjpeg", "pcm_s16le"),
    "avi": ("mjpeg", "pcm_s16le"),
}
_FORMATS = {"mpeg4": "yuv420p", "libvpx": "yuv420p", "mjpeg": "yuvj420p"}


def clip(
    container: str = "matroska",
    *,
    seconds: float = 2.0,
    sound_seconds: float | None = None,
    pictures: int = 1,
    sounds: int = 1,
    sound_first: bool = False,
    loudness: float = 0.5,
) -> bytes:
    """Return a clip whose pictures get lighter by 10 a frame, with a tone of 440 Hz.

    Args:
        container: FFmpeg's name of the format.
        seconds: of the pictures.
        sound_seconds: of the sound; None for as long as the pictures.
        pictures: video streams; those after the first are black.
        sounds: audio streams; those after the first are silent.
        sound_first: put the audio streams first.
        loudness: amplitude of the tone, 0..1.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        kinds = (
            ["sound"] * sounds + ["picture"] * pictures if sound_first else ["picture"] * pictures + ["sound"] * sounds
        )
        streams = [(kind, _stream(out, kind, container)) for kind in kinds]
        seen = {"picture": 0, "sound": 0}
        for kind, stream in streams:
            first = not seen[kind]
            seen[kind] += 1
            if kind == "picture":
                _draw(out, stream, round(seconds * RATE), 10 if first else 0)
            else:
                _play(out, stream, seconds if sound_seconds is None else sound_seconds, loudness if first else 0.0)
    return file.getvalue()


def brightness(index: int) -> int:
    """Return the grey of picture number `index` of the first video stream."""
    return min(10 * index, 250)


def _stream(out: Any, kind: str, container: str) -> Any:
    """Add one stream."""
    picture_codec, sound_codec = _CODECS[container]
    if kind == "sound":
        return out.add_stream(sound_codec, rate=SAMPLE_RATE, layout="mono")
    stream = out.add_stream(picture_codec, rate=RATE)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, _FORMATS[picture_codec]
    return stream


def _draw(out: Any, stream: Any, count: int, step: int) -> None:
    """Encode pictures."""
    for index in range(count):
        grey = np.full((HEIGHT, WIDTH, 3), min(index * step, 250), np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, RATE)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def _play(out: Any, stream: Any, seconds: float, loudness: float) -> None:
    """Encode sound."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = (np.sin(2 * np.pi * 440 * times) * loudness * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
