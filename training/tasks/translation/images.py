"""Images of several domains of one view: from the procedural rooms, or from nowhere."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crosswire.media.palettes import spread_palette
from crosswire.training.config import ConfigError
from crosswire.training.datasets.rooms import CLASSES, PALETTE, render
from crosswire.training.datasets.rooms import DOMAINS as ROOM_DOMAINS
from crosswire.training.datasets.taskonomy.classes import CLASSES as TASKONOMY_CLASSES
from crosswire.training.tasks.segmentation.data import SPLITS
from crosswire.training.tasks.translation.config import LABELS, ImagesConfig, TranslatorConfig

Raw = NDArray[np.generic]
#: Tells an output from an input of the same domain: the first is the truth, the second what a sensor takes.
TRUE = "true "
#: Domains that a sensor takes.
SENSED = frozenset({"rgb", "depth"})
TRUE_LABELS = f"{TRUE}{LABELS}"
#: What looks different in good light; all else is geometry.
LIT = frozenset({f"{TRUE}rgb", "texture", f"{TRUE}texture"})


class ImageSource(Protocol):
    """Views by index."""

    def __len__(self) -> int:
        """Number of views."""

    def __getitem__(self, index: int) -> dict[str, Raw]:
        """Return the raw images of one view: inputs by their name, outputs by `TRUE` and their name."""


class RoomImages:
    """Rooms of one seed, each rendered at its first use and kept in memory.

    Depth and colour come in as the sensors take them, with noise, holes and darkness; they go out as they are, in good
    light.

    Args:
        network: says which domains.
        seed: of the scenes.
        scenes: how many there are.
        size: rows and columns.
    """

    def __init__(self, network: TranslatorConfig, seed: int, scenes: int, size: tuple[int, int]) -> None:
        self.names = wanted(network)
        if unknown := [name for name in self.names if name.removeprefix(TRUE) not in (*ROOM_DOMAINS, LABELS)]:
            raise ConfigError(
                f"the rooms have no domain {unknown[0].removeprefix(TRUE)!r}; allowed are {', '.join(ROOM_DOMAINS)}"
            )
        if network.classes not in (0, len(CLASSES)):
            raise ConfigError(f"the rooms have {len(CLASSES)} classes; set network.classes={len(CLASSES)}")
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
            kept = self._render(index)
            for name, picture in kept.items():
                kept[name] = picture.astype(np.float16) if picture.dtype == np.float32 else np.array(picture)
            self._kept[index] = kept
        return {name: p.astype(np.float32) if p.dtype == np.float16 else p for name, p in kept.items()}

    def _render(self, index: int) -> dict[str, Raw]:
        """Render one room, once more where what its sensors take in the dark differs from what is there."""
        lit, sensed = not LIT.isdisjoint(self.names), not SENSED.isdisjoint(self.names)
        taken = render(self._seed, index, *self._size, lights_on=not sensed)
        there = render(self._seed, index, *self._size, lights_on=True) if lit and sensed else taken
        kept: dict[str, Raw] = {}
        for name in self.names:
            if name == f"{TRUE}depth":
                kept[name] = there.range
            elif name == TRUE_LABELS:
                kept[name] = there.labels
            else:
                kept[name] = (taken if name in SENSED else there).domain(name.removeprefix(TRUE))
        return kept


class NoImages:
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
    """Return the names of all images that a network trains on."""
    return (*network.inputs, *(f"{TRUE}{name}" for name in network.outputs))


def images(config: ImagesConfig, network: TranslatorConfig, split: str) -> ImageSource:
    """Return the views of a split; the splits of the rooms have seeds of their own.

    Raises:
        ConfigError: a domain that the data set lacks, or files that are missing, by name.
    """
    if config.name == "none":
        if split != "test":
            raise ConfigError(f"data set 'none' has no {split} pictures; choose one that has, with data.name=NAME")
        return NoImages()
    if config.name == "taskonomy":
        if network.paints_classes and network.classes != (count := len(TASKONOMY_CLASSES)):
            raise ConfigError(f"taskonomy has {count} classes; set network.classes={count}")
        from crosswire.training.datasets.taskonomy.images import open_split

        return open_split(config, wanted(network), split)
    scenes = {"train": config.train_scenes, "val": config.val_scenes, "test": config.test_scenes}[split]
    return RoomImages(network, config.seed + SPLITS.index(split), scenes, (config.height, config.width))


def label_names(
    config: ImagesConfig, network: TranslatorConfig
) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Return names and colours of the classes of a network; nothing where it makes no labels."""
    if not network.classes:
        return (), ()
    known = {"rooms": CLASSES, "taskonomy": TASKONOMY_CLASSES}.get(config.name, ())
    names = known if len(known) == network.classes else tuple(f"class {i}" for i in range(network.classes))
    own = config.name == "rooms" and not network.paints_classes
    return names, PALETTE if own else spread_palette(network.classes)
