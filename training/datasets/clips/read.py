"""Reading clips: the frames and the samples that a network sees of a file, with PyAV.

Frame i is the latest one at or before i / fps seconds after the first; the sound begins with the first frame. How a
clip is read lies in `media/clips/`, which the server reads by, too.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips import shape as clip_shape
from crosswire.media.clips.frames import read_frames
from crosswire.media.clips.streams import audio_streams, video_streams
from crosswire.media.clips.waveform import read_waveform
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
    read_as = clip_shape.ClipShape(
        shape.frames, shape.height, shape.width, shape.fps or None, shape.samples, shape.sample_rate
    )
    try:
        frames, waveform = _read(lambda: _opened(av, source), read_as)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DataError(Problem(name, f"cannot be read as a clip ({error})", "replace it or take it out")) from error
    if frames is None and waveform is None:
        raise DataError(Problem(name, "holds neither pictures nor sound", "replace it or take it out"))
    return Clip(frames, waveform)


def _read(opened: Callable[[], Any], shape: clip_shape.ClipShape) -> Clip:
    """Return what can be read of a clip."""
    seen = heard = None
    with opened() as container:
        if video_streams(container):
            seen = read_frames(container, opened, shape, lambda index, frame: None)
    with opened() as container:
        if audio_streams(container):
            heard = read_waveform(container, shape, seen.start if seen else None, lambda frame: None)
    return Clip(seen.pixels if seen else None, heard.samples if heard else None)


def _opened(av: Any, source: Path | bytes) -> Any:
    """Open a container."""
    return av.open(str(source) if isinstance(source, Path) else io.BytesIO(source))
