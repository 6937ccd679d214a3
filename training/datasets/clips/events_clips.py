"""The procedural clips as a set."""

from __future__ import annotations

import numpy as np

from crosswire.training.datasets.clips.base import Labelled
from crosswire.training.datasets.clips.read import Clip
from crosswire.training.datasets.events import CLASSES, PALETTE, Event, render
from crosswire.training.tasks.audio_video.config import ClipShape


class EventClips:
    """A series of procedural clips, each made at its first use and kept.

    Args:
        seed: of the series.
        count: number of clips.
        shape: what is read of a clip.

    """

    classes = CLASSES
    palette = PALETTE

    def __init__(self, seed: int, count: int, shape: ClipShape) -> None:
        self.seed = seed
        self.count = count
        self.shape = shape
        self._made: dict[int, Event] = {}

    def __len__(self) -> int:
        """Number of clips."""
        return self.count

    def event(self, index: int) -> Event:
        """Return a clip with what it shows and sounds like."""
        if index not in self._made:
            shape = self.shape
            self._made[index] = render(
                self.seed,
                index,
                count=shape.frames,
                size=(shape.height, shape.width),
                fps=shape.fps or 25.0,
                samples=shape.samples,
                rate=shape.sample_rate,
            )
        return self._made[index]

    def __getitem__(self, index: int) -> Labelled:
        """Return a clip; one in the dark or in silence has black frames or zeros."""
        event = self.event(index)
        return Labelled(Clip(event.frames, event.waveform.astype(np.float32) / 32767), event.label)
