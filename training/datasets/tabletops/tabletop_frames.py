"""The procedural tabletops as frames."""

from __future__ import annotations

from functools import partial

from crosswire.training.datasets.frames import ProceduralFrames
from crosswire.training.datasets.tabletops import CLASSES, PALETTE, render


class TabletopFrames(ProceduralFrames):
    """Tables of one seed, each rendered at its first use and kept in memory.

    Args:
        seed: of the scenes.
        scenes: how many there are.
        height: rows of a picture.
        width: columns of a picture.
        sensor: depth camera, a name in `crosswire.training.datasets.sensors.SENSORS`; None draws one for every table.
    """

    def __init__(self, seed: int, scenes: int, height: int, width: int, *, sensor: str | None = None) -> None:
        super().__init__(CLASSES, PALETTE, partial(render, seed, sensor=sensor), scenes, height, width)
