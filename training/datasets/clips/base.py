"""What a set of clips is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from crosswire.training.datasets.clips.read import Clip


class Labelled(NamedTuple):
    """A clip with its class.

    Attributes:
        clip: what is seen and heard.
        label: index in the classes.
    """

    clip: Clip
    label: int


class ClipSource(Protocol):
    """Clips by index."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; the index is the label."""

    def __len__(self) -> int:
        """Number of clips."""

    def __getitem__(self, index: int) -> Labelled:
        """Return one clip.

        Raises:
            DataError: its file cannot be used, by name.
        """
