"""What every segmentation data set hands out: registered frames with labels, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.classes import spread_palette

IGNORE = 255


@dataclass(frozen=True)
class Frame:
    """Registered images of one view.

    Attributes:
        pictures: raw values per modality: `rgb` uint8 [H, W, 3], `depth` float32 [H, W] in metres, 0 = no reading.
        labels: class indices, uint8 [H, W]; `IGNORE` where the truth is unknown.
    """

    pictures: dict[str, NDArray[np.generic]]
    labels: NDArray[np.uint8]


class FrameSource(Protocol):
    """A data set: names, colours and frames by index."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; the index is the label."""

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]:
        """One RGB colour per class."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, index: int) -> Frame:
        """Return one frame."""


class NoFrames:
    """Classes without frames: those of a network that was trained elsewhere.

    Args:
        classes: their names.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.palette = spread_palette(len(classes))

    def __len__(self) -> int:
        """No frame."""
        return 0

    def __getitem__(self, index: int) -> Frame:
        """Return no frame.

        Raises:
            IndexError: always.
        """
        raise IndexError(f"there is no frame {index}: this data set has none")
