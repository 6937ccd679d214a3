"""Pictures of several domains of one view: from the procedural rooms, or from nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.config import ConfigError
from training.data import SPLITS
from training.datasets.rooms import DOMAINS as ROOM_DOMAINS
from training.datasets.rooms import render
from training.translation.config import PicturesConfig, TranslatorConfig

Raw = NDArray[np.generic]
#: Names an output of depth apart from an input of depth: the first is the truth, the second what a sensor reads.
TRUE = "true "


class PictureSource(Protocol):
    """Views by index."""

    def __len__(self) -> int:
        """Number of views."""

    def __getitem__(self, index: int) -> dict[str, Raw]:
        """Return the raw pictures of one view: inputs by their name, outputs by `TRUE` and their name."""


class RoomPictures:
    """Rooms of one seed, each rendered at its first use and kept in memory.

    Depth comes in as the sensor reads it, with noise and holes, and goes out as it is.

    Args:
        network: says which domains.
        seed: of the scenes.
        scenes: how many there are.
        size: rows and columns.
    """

    def __init__(self, network: TranslatorConfig, seed: int, scenes: int, size: tuple[int, int]) -> None:
        self.names = wanted(network)
        if unknown := [name for name in self.names if name.removeprefix(TRUE) not in ROOM_DOMAINS]:
            raise ConfigError(
                f"the rooms have no domain {unknown[0].removeprefix(TRUE)!r}; allowed are {', '.join(ROOM_DOMAINS)}"
            )
        self._seed = seed
        self._size = size
        self._kept: list[dict[str, Raw] | None] = [None] * scenes

    def __len__(self) -> int:
        """Number of rooms."""
        return len(self._kept)

    def __getitem__(self, index: int) -> dict[str, Raw]:
        """Return one room; depth is rounded to half precision."""
        kept = self._kept[index]
        if kept is None:
            room = render(self._seed, index, *self._size)
            kept = {name: room.range if name == f"{TRUE}depth" else room.domain(_plain(name)) for name in self.names}
            for name, picture in kept.items():
                kept[name] = picture.astype(np.float16) if picture.dtype == np.float32 else np.array(picture)
            self._kept[index] = kept
        return {name: p.astype(np.float32) if p.dtype == np.float16 else p for name, p in kept.items()}


class NoPictures:
    """No view at all: the data set of a network that was trained elsewhere."""

    def __len__(self) -> int:
        """No view."""
        return 0

    def __getitem__(self, index: int) -> dict[str, Raw]:
        """Return no view.

        Raises:
            IndexError: always.
        """
        raise IndexError(f"there is no view {index}: this data set has none")


def wanted(network: TranslatorConfig) -> tuple[str, ...]:
    """Return the names of all pictures that a network trains on."""
    return (*network.inputs, *(f"{TRUE}{name}" for name in network.outputs))


def pictures(config: PicturesConfig, network: TranslatorConfig, split: str) -> PictureSource:
    """Return the views of a split; the splits of the rooms have seeds of their own.

    Raises:
        ConfigError: a domain that the data set lacks, or files that are missing, by name.
    """
    if config.name == "none":
        if split != "test":
            raise ConfigError(f"data set 'none' has no {split} pictures; choose one that has, with data.name=NAME")
        return NoPictures()
    if config.name == "taskonomy":
        from training.translation.taskonomy import open_split

        return open_split(config, wanted(network), split)
    scenes = {"train": config.train_scenes, "val": config.val_scenes, "test": config.test_scenes}[split]
    return RoomPictures(network, config.seed + SPLITS.index(split), scenes, (config.height, config.width))


def _plain(name: str) -> str:
    """Return the domain that a picture is of."""
    return name.removeprefix(TRUE)


def only(pictures: dict[str, Raw], names: Sequence[str]) -> list[Raw]:
    """Return some pictures of a view in an order."""
    return [pictures[name] for name in names]
