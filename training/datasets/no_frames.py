"""A data set of which only the classes are known: that of a network that was trained elsewhere."""

from __future__ import annotations

from crosswire.training.datasets.classes import spread_palette
from crosswire.training.datasets.frames import Frame


class NoFrames:
    """Classes without frames.

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
