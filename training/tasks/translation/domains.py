"""The domains of image translation: what a raw image holds, and how it becomes numbers from -1 to 1 and back.

`semseg` is the SemSeg of the CEN journal paper, Tables 6 to 9. The paper does not define it further, but scores it by
the MAE and "MSE" of its other image domains, so it is translated as an image: every class has a colour of
`spread_palette`, the loss is that of any image, and no pixel is left out, not even Taskonomy's "uncertain" ones.
Afterwards a pixel is of the class whose colour is nearest, which is what is served; the figures of the paper are those
before that. `labels` are the alternative: a score per class, cross-entropy, mean IoU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosswire.contract.wire_names import CLASS_COLOUR, CLASS_INDEX
from crosswire.media.palettes import spread_palette
from crosswire.training.config import ConfigError
from crosswire.training.tasks.translation.config import LABELS, SEMSEG, TranslatorConfig

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Domain:
    """One kind of image.

    Attributes:
        name: of the images and their tensors.
        channels: 1 or 3.
        unit: of a raw value.
        valid_range: smallest and largest raw value.
        missing: raw value that means "no reading", or None.
    """

    name: str
    channels: int
    unit: str = "intensity 0..255"
    valid_range: tuple[float, float] = (0.0, 255.0)
    missing: float | None = None

    @property
    def is_depth(self) -> bool:
        """Whether values are metres."""
        return self.unit == "metre"

    @property
    def is_labels(self) -> bool:
        """Whether values are class indices."""
        return self.name == LABELS

    @property
    def is_painted(self) -> bool:
        """Whether values are the colours of classes."""
        return self.unit == CLASS_COLOUR


_COLOURED = ("rgb", "normal", "texture", "curvature", "segment2d", "segment25d")
_GREY = ("shade", "edge")
_DEPTHS = ("depth", "depth_euclidean")
_ALL = {
    **{name: Domain(name, 3) for name in _COLOURED},
    **{name: Domain(name, 1) for name in _GREY},
    **{name: Domain(name, 1, "metre", (0.0, 10.0), 0.0) for name in _DEPTHS},
    SEMSEG: Domain(SEMSEG, 3, CLASS_COLOUR),
    LABELS: Domain(LABELS, 1, CLASS_INDEX, (0.0, 255.0)),
}


def domain(name: str) -> Domain:
    """Return a domain by name.

    Raises:
        ConfigError: an unknown name, with those that exist.
    """
    if name not in _ALL:
        raise ConfigError(f"domain {name!r} is unknown; allowed are {', '.join(_ALL)}")
    return _ALL[name]


@dataclass(frozen=True)
class Codec:
    """Raw images of one domain as a generator sees them.

    Bytes b become b / 127.5 - 1. Depth d in metres becomes 2 log(1 + gain d) / top - 1, so that equal steps are about
    equal ratios; no reading, which is 0, becomes -1. Labels stay class indices; a generator makes a score per class,
    from -1 to 1. Colours of classes are bytes.

    Attributes:
        domain: of the images.
        gain: of depth.
        top: of depth.
        classes: of labels, and of what shows them in colours.
    """

    domain: Domain
    gain: float
    top: float
    classes: int = 0

    @property
    def made(self) -> int:
        """How many of the channels that a generator makes belong to this domain."""
        return self.classes if self.domain.is_labels else 3

    @property
    def farthest(self) -> float:
        """Depth in metres that becomes 1."""
        return math.expm1(self.top) / self.gain

    def encode(self, raw: NDArray[np.generic]) -> Array:
        """Map raw values [H, W, C] or [H, W] to numbers from -1 to 1, or labels to class indices, float32 [C, H, W]."""
        picture = np.asarray(raw, np.float32).reshape(*raw.shape[:2], self.domain.channels)
        if self.domain.is_depth:
            coded = np.log1p(np.float32(self.gain) * np.clip(picture, 0, None)) * np.float32(2 / self.top) - 1
            coded = np.clip(coded, -1, 1)
        elif self.domain.is_labels:
            coded = picture
        else:
            coded = picture / np.float32(127.5) - 1
        return np.ascontiguousarray(coded.transpose(2, 0, 1), np.float32)

    def decode(self, coded: Array) -> NDArray[np.generic]:
        """Map numbers from -1 to 1, float32 [K, H, W], to a raw image.

        Of the K channels that come, an image takes three, and their mean where it has one; labels take one per class.
        Where classes have colours, every pixel gets the nearest one.

        Returns:
            uint8 [H, W, C], metres float32 [H, W], or class indices uint8 [H, W].
        """
        coded = coded[: self.made]
        if self.domain.is_labels:
            return np.asarray(coded.argmax(0), np.uint8)
        if self.domain.is_painted:
            return painted(self.labels_of(torch.from_numpy(np.ascontiguousarray(coded))[None])[0].numpy())
        if self.domain.is_depth:
            scaled = (coded.mean(0) + 1) * np.float32(self.top / 2)
            return np.asarray(np.expm1(scaled) / np.float32(self.gain), np.float32)
        if self.domain.channels == 1:
            coded = coded.mean(0, keepdims=True)
        return np.asarray(np.rint((coded.transpose(1, 2, 0) + 1) * 127.5).clip(0, 255), np.uint8)

    def labels_of(self, coded: Tensor) -> Tensor:
        """Return the class whose colour is nearest, int64 [N, H, W], of colours from -1 to 1 [N, 3, H, W].

        |x - c|² is least where 2 c·x - |c|² is largest.
        """
        colours = torch.tensor(spread_palette(self.classes), dtype=coded.dtype, device=coded.device) / 127.5 - 1
        return (coded.permute(0, 2, 3, 1) @ (2 * colours.T) - colours.square().sum(1)).argmax(3)


def painted(labels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return class indices [H, W] in the colours of `spread_palette`, uint8 [H, W, 3]; 255, no class, is black."""
    colours: NDArray[np.uint8] = np.array((*spread_palette(255), (0, 0, 0)), np.uint8)
    return colours[np.asarray(labels, np.intp)]


def codec(name: str, network: TranslatorConfig) -> Codec:
    """Return how a generator sees a domain."""
    return Codec(domain(name), network.depth_gain, network.depth_top, network.classes)


def codecs(names: tuple[str, ...], network: TranslatorConfig) -> tuple[Codec, ...]:
    """Return how a generator sees several domains."""
    return tuple(codec(name, network) for name in names)
