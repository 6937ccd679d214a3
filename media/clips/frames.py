"""The frames that a network sees of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips.orientation import UPRIGHT, Orientation, orientation_of, upright_pixels
from crosswire.media.clips.shape import ClipShape
from crosswire.media.clips.streams import video_streams
from crosswire.media.clips.times import CLOCKS, TICK, Seconds, TimesError, rising

#: Called with the number of a frame and the frame itself before it is used; raises where it must not be.
Check = Callable[[int, Any], None]


class SeenFrames(NamedTuple):
    """What a network sees of a clip's pictures.

    Attributes:
        pixels: uint8 [T, H, W, 3], as they are shown; the last frame stands where there are fewer.
        start: seconds of the first frame by the clip's clock, which its sound goes by, too.
        at: seconds of each frame after the first one.
        lacking: how many of them are the last frame once more.
        orientation: how the frames were turned: as the first one says, since H.264 says it of key frames alone.
        clock: what told the time of the frames, a key of `CLOCKS`.
    """

    pixels: NDArray[np.uint8]
    start: float
    at: tuple[float, ...]
    lacking: int
    orientation: Orientation
    clock: str


def read_frames(
    container: Any, again: Callable[[], AbstractContextManager[Any]], shape: ClipShape, check: Check
) -> SeenFrames | None:
    """Read the frames of the first stream of pictures.

    Frame i is the latest one at or before i / rate seconds after the first.

    Args:
        container: from `av.open`, nothing of it read yet; it has pictures.
        again: opens the same clip once more, where the times of its frames turn out to be of no use.
        shape: what the network sees.
        check: see `Check`.

    Returns:
        the frames, or None where there is none.
    """
    with ExitStack() as stack:
        for clock, timer in CLOCKS.items():
            stream = video_streams(container)[0]
            try:
                return _picked(_checked(container.decode(stream), check), timer(stream), clock, shape)
            except TimesError:
                container = stack.enter_context(again())
    raise AssertionError("frames that are counted have rising times")


def _picked(frames: Iterator[Any], seconds: Seconds, clock: str, shape: ClipShape) -> SeenFrames | None:
    """Return the frames that a network sees, timed by a clock."""
    picked: list[NDArray[np.uint8]] = []
    at: list[float] = []
    last, start, past, shown = None, 0.0, 0.0, UPRIGHT
    for time, frame in rising(frames, seconds):
        if last is None:
            start, shown = time, orientation_of(frame)
        while last is not None and len(picked) < shape.frames and _due(len(picked), time - start, shape.rate):
            picked.append(upright_pixels(last, shape, shown))
            at.append(past)
        last, past = frame, time - start
        if shape.rate is None:
            picked.append(upright_pixels(frame, shape, shown))
            at.append(past)
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
    return SeenFrames(np.stack(picked[: shape.frames]), start, tuple(at[: shape.frames]), repeated, shown, clock)


def _due(count: int, time: float, rate: float | None) -> bool:
    """Say whether frame number `count` is the one before the frame at `time` seconds."""
    return rate is not None and time > count / rate + TICK


def _checked(frames: Iterator[Any], check: Check) -> Iterator[Any]:
    """Yield frames that may be used."""
    for index, frame in enumerate(frames):
        check(index, frame)
        yield frame
