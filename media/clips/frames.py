"""The frames that a network sees of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips.orientation import UPRIGHT, Orientation, orientation_of, upright_pixels
from crosswire.media.clips.shape import ClipShape

#: Seconds that a time stamp may be off by rounding.
_TICK = 1e-4
#: Called with the number of a frame and the frame itself before it is used; raises where it must not be.
Check = Callable[[int, Any], None]


class SeenFrames(NamedTuple):
    """What a network sees of a clip's pictures.

    Attributes:
        pixels: uint8 [T, H, W, 3], as they are shown; the last frame stands where there are fewer.
        at: seconds of each frame after the first one.
        lacking: how many of them are the last frame once more.
        orientation: how the frames were turned: as the first one says, since H.264 says it of key frames alone.
    """

    pixels: NDArray[np.uint8]
    at: tuple[float, ...]
    lacking: int
    orientation: Orientation


def read_frames(container: Any, stream: Any, shape: ClipShape, check: Check) -> SeenFrames | None:
    """Read the frames of a stream of pictures.

    Frame i is the latest one at or before i / rate seconds after the first.

    Args:
        container: from `av.open`.
        stream: one of its `video_streams`.
        shape: what the network sees.
        check: see `Check`.

    Returns:
        the frames, or None where there is none.
    """
    picked: list[NDArray[np.uint8]] = []
    at: list[float] = []
    last, past, shown = None, 0.0, UPRIGHT
    for time, frame in _timed(container, stream, check):
        while last is not None and len(picked) < shape.frames and _due(len(picked), time, shape.rate):
            picked.append(upright_pixels(last, shape, shown))
            at.append(past)
        shown = orientation_of(frame) if last is None else shown
        last, past = frame, time
        if shape.rate is None:
            picked.append(upright_pixels(frame, shape, shown))
            at.append(time)
        if len(picked) >= shape.frames:
            break
    if last is None:
        return None
    lacking = shape.frames - len(picked)
    if lacking > 0:
        picked += [upright_pixels(last, shape, shown)] * lacking
        at += [past] * lacking
    # The last frame of a rate is found late: it is no repetition.
    repeated = max(0, lacking - (shape.rate is not None))
    return SeenFrames(np.stack(picked[: shape.frames]), tuple(at[: shape.frames]), repeated, shown)


def _due(count: int, time: float, rate: float | None) -> bool:
    """Say whether frame number `count` is the one before the frame at `time` seconds."""
    return rate is not None and time > count / rate + _TICK


def _timed(container: Any, stream: Any, check: Check) -> Iterator[tuple[float, Any]]:
    """Yield frames with their seconds after the first one; those without a time stamp follow each other."""
    first = None
    for index, frame in enumerate(container.decode(stream)):
        check(index, frame)
        time = frame.time if frame.time is not None else index / float(frame.rate or 25)
        first = time if first is None else first
        yield time - first, frame
