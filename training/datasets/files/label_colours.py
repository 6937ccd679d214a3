"""Labels that are stored as colours, one per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.datasets.frames import IGNORE

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class ColourCode:
    """Which colour stands for which class.

    Attributes:
        colours: of every class, 0..255 each, no two alike.
        ignore: of unlabelled pixels; None where every pixel has a class.
    """

    #: Modes of Pillow images that hold them, what they are called, and how they are saved.
    modes: ClassVar[tuple[str, ...]] = ("RGB", "RGBA", "P")
    kind: ClassVar[str] = "colours of classes"
    cure: ClassVar[str] = "save one colour per class as an RGB or indexed PNG, as label_colours in manifest.json says"

    colours: Sequence[RGB]
    ignore: RGB | None = None

    def array(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the colours of an image, uint8 [H, W, 3]; transparency is dropped."""
        return np.array(image.convert("RGB"), np.uint8)

    def decode(self, stored: NDArray[np.generic], file: str) -> NDArray[np.uint8]:
        """Return class indices, `IGNORE` where unlabelled, uint8 [H, W], of colours [H, W, 3].

        Raises:
            DataError: a colour that is neither a class's nor that of unlabelled pixels.
        """
        known = [*self.colours, *(() if self.ignore is None else (self.ignore,))]
        labels = np.asarray([*range(len(self.colours)), IGNORE][: len(known)], np.uint8)
        keys = colour_keys(np.asarray(known, np.uint8))
        order = np.argsort(keys)
        found = colour_keys(stored)
        places = order[np.searchsorted(keys[order], found).clip(max=len(keys) - 1)]
        wrong = keys[places] != found
        if wrong.any():
            what = f"{int(wrong.sum())} pixels hold {list(colour_of(int(found[wrong][0])))}, of no class, or the like"
            cure = f"allowed are {', '.join(map(str, map(list, known)))}; store labels without smoothing or compression"
            raise DataError(Problem(file, what, cure))
        decoded: NDArray[np.uint8] = labels[places]
        return decoded


def colour_keys(colours: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return one number per colour, of [..., 3]."""
    wide = np.asarray(colours, np.int64)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def colour_of(key: int) -> RGB:
    """Return the colour of one of `colour_keys`."""
    return key >> 16, key >> 8 & 255, key & 255
