"""The procedural rooms as frames, rendered once and kept in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.frames import Frame
from crosswire.training.datasets.rooms import CLASSES, PALETTE, render


class RoomsFrames:
    """Rooms of one seed, each rendered at its first use.

    Args:
        seed: of the scenes.
        scenes: how many there are.
        height: rows of a picture.
        width: columns of a picture.
    """

    def __init__(self, seed: int, scenes: int, height: int, width: int) -> None:
        self.classes = CLASSES
        self.palette = PALETTE
        self._seed = seed
        self._rgb: NDArray[np.uint8] = np.empty((scenes, height, width, 3), np.uint8)
        self._depth: NDArray[np.float16] = np.empty((scenes, height, width), np.float16)
        self._labels: NDArray[np.uint8] = np.empty((scenes, height, width), np.uint8)
        self._rendered = np.zeros(scenes, bool)

    def __len__(self) -> int:
        """Number of rooms."""
        return len(self._rendered)

    def __getitem__(self, index: int) -> Frame:
        """Return one room; its depth is rounded to half precision (about 2 mm at 4 m)."""
        if not self._rendered[index]:
            room = render(self._seed, index, *self._labels.shape[1:])
            self._rgb[index], self._depth[index], self._labels[index] = room.rgb, room.depth, room.labels
            self._rendered[index] = True
        pictures: dict[str, NDArray[np.generic]] = {
            "rgb": self._rgb[index],
            "depth": self._depth[index].astype(np.float32),
        }
        return Frame(pictures, self._labels[index])
