"""Reading clips: the frames and the samples that a network sees of a file, with PyAV.

The pictures are those of the first video stream: frame i is the latest one at or before i / fps seconds after the
first. The sound is that of the first audio stream, from its own beginning, mixed to one channel and resampled.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips.mono import MonoResampler
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.tasks.audio_video.config import ClipShape

#: Seconds that a time stamp may be off by rounding.
TICK = 1e-4


class Clip(NamedTuple):
    """What was read; a missing modality is None.

    Attributes:
        frames: uint8 [T, H, W, 3]; the last frame stands where the clip is shorter.
        waveform: mono, -1..1, float32 [S]; silence where the sound is shorter.
    """

    frames: NDArray[np.uint8] | None
    waveform: NDArray[np.float32] | None


def read_clip(source: Path | bytes, shape: ClipShape) -> Clip:
    """Read a clip from a file or from the bytes of one.

    Raises:
        DataError: it cannot be read, or holds neither pictures nor sound.
    """
    import av  # needed by clips in files alone

    name = str(source) if isinstance(source, Path) else "the clip"
    try:
        with _opened(av, source) as container:
            frames = _frames(container, shape) if container.streams.video else None
        with _opened(av, source) as container:
            waveform = _waveform(container, shape) if container.streams.audio else None
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DataError(Problem(name, f"cannot be read as a clip ({error})", "replace it or take it out")) from error
    if frames is None and waveform is None:
        raise DataError(Problem(name, "holds neither pictures nor sound", "replace it or take it out"))
    return Clip(frames, waveform)


def _opened(av: Any, source: Path | bytes) -> Any:
    """Open a container."""
    return av.open(str(source) if isinstance(source, Path) else io.BytesIO(source))


def _frames(container: Any, shape: ClipShape) -> NDArray[np.uint8] | None:
    """Return the frames of the first video stream, or None where it has none."""
    picked: list[NDArray[np.uint8]] = []
    last = None
    for time, frame in _timed(container):
        while last is not None and len(picked) < shape.frames and shape.fps and time > len(picked) / shape.fps + TICK:
            picked.append(_picture(last, shape))
        last = frame
        if not shape.fps:
            picked.append(_picture(frame, shape))
        if len(picked) >= shape.frames:
            break
    if last is None:
        return None
    if len(picked) < shape.frames:
        picked += [_picture(last, shape)] * (shape.frames - len(picked))
    return np.stack(picked[: shape.frames])


def _timed(container: Any) -> Iterator[tuple[float, Any]]:
    """Yield frames with their seconds after the first one; those without a time stamp follow each other."""
    first = None
    for index, frame in enumerate(container.decode(video=0)):
        time = frame.time if frame.time is not None else index / float(frame.rate or 25)
        first = time if first is None else first
        yield time - first, frame


def _picture(frame: Any, shape: ClipShape) -> NDArray[np.uint8]:
    """Return a frame as uint8 [H, W, 3], stretched by averaging."""
    small = frame.reformat(shape.width, shape.height, format="rgb24", interpolation="AREA")
    picture: NDArray[np.uint8] = small.to_ndarray()
    return picture


def _waveform(container: Any, shape: ClipShape) -> NDArray[np.float32] | None:
    """Return the samples of the first audio stream, or None where it has none."""
    resampler = MonoResampler(shape.sample_rate)
    pieces: list[NDArray[np.float32]] = []
    count = 0
    for frame in container.decode(audio=0):
        pieces.append(resampler.resample(frame))
        count += pieces[-1].size
        if count >= shape.samples:
            break
    else:
        pieces.append(resampler.flush())
    joined = np.concatenate(pieces)[: shape.samples]
    if not joined.size:
        return None
    waveform = np.zeros(shape.samples, np.float32)
    waveform[: joined.size] = joined
    return waveform
