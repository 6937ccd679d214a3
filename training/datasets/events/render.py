"""One procedural clip."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.events.classes import CLASSES, drawn
from crosswire.training.datasets.events.images import frames
from crosswire.training.datasets.events.sounds import waveform


class Event(NamedTuple):
    """A clip with its class.

    Attributes:
        frames: uint8 [T, H, W, 3].
        waveform: mono, int16 [S], full scale being 32767.
        label: index in `CLASSES`.
        motion: what is seen, `none` in the dark.
        sound: what is heard, `none` in silence.
    """

    frames: NDArray[np.uint8]
    waveform: NDArray[np.int16]
    label: int
    motion: str
    sound: str


def render(
    seed: int,
    index: int,
    *,
    count: int = 8,
    size: tuple[int, int] = (48, 64),
    fps: float = 4.0,
    samples: int = 32000,
    rate: int = 16000,
) -> Event:
    """Make a clip; the classes take turns.

    Args:
        seed: of the series, 0 or more.
        index: in the series.
        count: frames T.
        size: height and width.
        fps: frames per second.
        samples: S.
        rate: samples per second.
    """
    random = np.random.default_rng((seed, index))
    label = index % len(CLASSES)
    motion, sound = drawn(label, random)
    shown = frames(motion, np.arange(count) / fps, size, random)
    return Event(shown, waveform(sound, samples, rate, random), label, motion, sound)
