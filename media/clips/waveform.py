"""The sound that a network hears of a clip, from the moment on at which its frames begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.media.clips.mono import MonoResampler, bounded
from crosswire.media.clips.shape import ClipShape
from crosswire.media.clips.streams import audio_streams

#: Seconds that sound may be silent between two frames, or begin earlier or later than pictures, without a word.
NOTED = 0.1
#: Seconds that pictures and sound of one clip may begin apart; beyond, their clocks are not the same.
_APART = 600.0


class HeardSound(NamedTuple):
    """What a network hears of a clip.

    Attributes:
        samples: mono, -1..1, float32 [S]; silence where there is no sound.
        delay: seconds from the first picture to the first sound of the clip; 0 where it has no pictures.
        apart: seconds between pictures and sound that were not believed, 0 where they were.
        gaps: seconds that are missing within the sound, in which it is silent.
        lacking: seconds of silence after its end.
    """

    samples: NDArray[np.float32]
    delay: float
    apart: float
    gaps: float
    lacking: float


def read_waveform(
    container: Any, shape: ClipShape, start: float | None, check: Callable[[Any], None]
) -> HeardSound | None:
    """Read the sound of the first stream of sound, mixed to one channel and resampled.

    Args:
        container: from `av.open`, nothing of it read yet; it has sound.
        shape: what the network hears.
        start: seconds at which it begins to listen, by the clip's clock; None begins with the sound.
        check: called with a frame of sound before it is used; raises where it must not be.

    Returns:
        the sound, or None where there is none.

    Raises:
        ValueError: a sample is not a number.
    """
    rate, resampler = shape.sample_rate, MonoResampler(shape.sample_rate)
    track = _Track(shape.samples)
    delay = apart = gaps = 0.0
    frame = None
    for frame, gap in _with_gaps(container.decode(audio_streams(container)[0])):
        check(frame)
        if track.place is None:
            delay = 0.0 if start is None or frame.time is None else float(frame.time) - start
            if abs(delay) > _APART:
                delay, apart = 0.0, delay
            track.place = round(delay * rate)
        if gap:
            track.write(resampler.flush())
            track.place += round(gap * rate)
            gaps += gap
        track.write(resampler.resample(frame))
        if track.place >= shape.samples:
            break
    else:
        track.write(resampler.flush())
    if track.place is None:
        return None
    lacking = max(0, shape.samples - max(0, track.place)) / rate
    return HeardSound(bounded(track.samples), delay, apart, gaps, lacking)


class _Track:
    """Samples that are written one piece after the other.

    Attributes:
        samples: float32 [S].
        place: where the next piece begins, which may be before the first sample; None before there is one.
    """

    def __init__(self, count: int) -> None:
        self.samples = np.zeros(count, np.float32)
        self.place: int | None = None

    def write(self, piece: NDArray[np.float32]) -> None:
        """Write what of a piece, float32 [n], lies within the samples."""
        if self.place is None or not piece.size:
            return
        begin, end = max(self.place, 0), min(self.place + piece.size, self.samples.size)
        if begin < end:
            self.samples[begin:end] = piece[begin - self.place : end - self.place]
        self.place += piece.size


def _with_gaps(frames: Iterator[Any]) -> Iterator[tuple[Any, float]]:
    """Yield frames of sound with the seconds that are missing before each.

    A gap is believed once the next frame comes later still; times that are missing or fall mean none.
    """
    expected: float | None = None
    held: tuple[Any, float] | None = None
    for frame in frames:
        time = None if frame.time is None else float(frame.time)
        if held is not None:
            before, gap = held
            gap = gap if time is None or time > before.time else 0.0
            yield before, gap
            assert expected is not None
            expected, held = expected + gap + before.samples / before.sample_rate, None
        gap = 0.0 if time is None or expected is None else time - expected
        if gap > NOTED:
            held = frame, gap
            continue
        yield frame, 0.0
        begin = max((one for one in (time, expected) if one is not None), default=None)
        expected = None if begin is None else begin + frame.samples / frame.sample_rate
    if held is not None:
        yield held
