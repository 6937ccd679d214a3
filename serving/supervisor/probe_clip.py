"""The smallest clip that a healthy server answers: two grey frames and a short tone."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np

_SIDE, _FRAMES, _FRAMES_PER_SECOND, _SAMPLE_RATE = 16, 2, 4, 16_000


def probe_clip() -> bytes:
    """Return an AVI file."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="avi") as container:
        video = container.add_stream("mjpeg", rate=_FRAMES_PER_SECOND)
        video.width = video.height = _SIDE
        video.pix_fmt = "yuvj420p"
        audio = container.add_stream("pcm_s16le", rate=_SAMPLE_RATE, layout="mono")
        for index in range(_FRAMES):
            grey = np.full((_SIDE, _SIDE, 3), 100 + 50 * index, np.uint8)
            image = av.VideoFrame.from_ndarray(grey, format="rgb24")
            image.pts, image.time_base = index, Fraction(1, _FRAMES_PER_SECOND)
            container.mux(video.encode(image))
        samples = np.sin(np.arange(_SAMPLE_RATE // 2) * (2 * np.pi * 440 / _SAMPLE_RATE)) * 8000
        sound = av.AudioFrame.from_ndarray(samples.astype(np.int16)[None], format="s16", layout="mono")
        sound.sample_rate = _SAMPLE_RATE
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return file.getvalue()
