"""A data set of which only the classes are known: that of a network that was trained elsewhere."""

from __future__ import annotations

import colorsys

from training.datasets.frames import Frame

_GOLDEN = 0.6180339887498949


class NoFrames:
    """Classes without frames.

    Args:
        classes: their names.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.palette = distinct_colours(len(classes))

    def __len__(self) -> int:
        """No frame."""
        return 0

    def __getitem__(self, index: int) -> Frame:
        """Return no frame.

        Raises:
            IndexError: always.
        """
        raise IndexError(f"there is no frame {index}: this data set has none")


def distinct_colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return RGB colours, 0..255 each, that keep apart: hues a golden ratio from each other, in three brightnesses."""
    colours = []
    for index in range(count):
        value = (0.95, 0.75, 0.55)[index % 3]
        red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, (0.75, 0.5)[index % 2], value)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(colours)
