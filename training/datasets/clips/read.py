"""Reading clips: the frames and the samples that a network sees of a file, with PyAV.

The pictures are those of the first video stream: frame i is the latest one at or before i / fps seconds after the
first. The sound is that of the first audio stream, from its own beginning, mixed to one channel and resampled.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips import shape as clip_shape
from crosswire.media.clips.frames import read_frames
from crosswire.media.clips.mono import MonoResampler
from crosswire.media.clips.streams import audio_streams, video_streams
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.tasks.audio_video.config import ClipShape


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
            frames = _frames(container, shape)
        with _opened(av, source) as container:
            waveform = _waveform(container, shape)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DataError(Problem(name, f"cannot be read as a clip ({error})", "replace it or take it out")) from error
    if frames is None and waveform is None:
        raise DataError(Problem(name, "holds neither pictures nor sound", "replace it or take it out"))
    return Clip(frames, waveform)


def _opened(av: Any, source: Path | bytes) -> Any:
    """Open a container."""
    return av.open(str(source) if isinstance(source, Path) else io.BytesIO(source))


def _frames(container: Any, shape: ClipShape) -> NDArray[np.uint8] | None:
    """Return the frames of the first stream of pictures, or None where there is none."""
    streams = video_streams(container)
    seen = streams and read_frames(container, streams[0], _seen_by_networks(shape), lambda index, frame: None)
    return seen.pixels if seen else None


def _seen_by_networks(shape: ClipShape) -> clip_shape.ClipShape:
    """Return a configured shape as readers of clips take it."""
    return clip_shape.ClipShape(
        shape.frames, shape.height, shape.width, shape.fps or None, shape.samples, shape.sample_rate
    )


def _waveform(container: Any, shape: ClipShape) -> NDArray[np.float32] | None:
    """Return the samples of the first stream of sound, or None where there is none."""
    streams = audio_streams(container)
    if not streams:
        return None
    resampler = MonoResampler(shape.sample_rate)
    pieces: list[NDArray[np.float32]] = []
    count = 0
    for frame in container.decode(streams[0]):
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
