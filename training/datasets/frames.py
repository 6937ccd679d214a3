"""What every segmentation data set hands out: registered frames with labels, and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crosswire.media.palettes import spread_palette

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


class Rendered(Protocol):
    """One procedural picture."""

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """Colour, uint8 [H, W, 3]."""

    @property
    def depth(self) -> NDArray[np.float32]:
        """Depth, float32 [H, W], metres, 0 = no reading."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Class indices, uint8 [H, W]."""


class ProceduralFrames:
    """Frames that are rendered at their first use and kept in memory.

    Args:
        classes: their names.
        palette: their colours.
        render: makes the frame with an index at a height and a width.
        scenes: how many there are.
        height: rows of a picture.
        width: columns of a picture.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        palette: tuple[tuple[int, int, int], ...],
        render: Callable[[int, int, int], Rendered],
        scenes: int,
        height: int,
        width: int,
    ) -> None:
        self.classes = classes
        self.palette = palette
        self._render = render
        self._rgb: NDArray[np.uint8] = np.empty((scenes, height, width, 3), np.uint8)
        self._depth: NDArray[np.float16] = np.empty((scenes, height, width), np.float16)
        self._labels: NDArray[np.uint8] = np.empty((scenes, height, width), np.uint8)
        self._rendered = np.zeros(scenes, bool)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._rendered)

    def __getitem__(self, index: int) -> Frame:
        """Return one frame; its depth is rounded to half precision (about 0.5 mm at 1 m, 2 mm at 4 m)."""
        if not self._rendered[index]:
            height, width = self._labels.shape[1:]
            made = self._render(index, height, width)
            self._rgb[index], self._depth[index], self._labels[index] = made.rgb, made.depth, made.labels
            self._rendered[index] = True
        pictures: dict[str, NDArray[np.generic]] = {
            "rgb": self._rgb[index],
            "depth": self._depth[index].astype(np.float32),
        }
        return Frame(pictures, self._labels[index])


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
