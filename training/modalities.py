"""What a stream sees: its channels, its unit on the wire and how it is normalised for a network."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosswire.contract import QUANTITIES, Geometry
from crosswire.contract.errors import UsageError
from crosswire.media.depth import outside
from crosswire.training.tasks.segmentation.config import NetworkConfig


@dataclass(frozen=True)
class Modality:
    """One kind of image.

    Attributes:
        name: of the stream and its tensors.
        channels: C.
        unit: of a raw value.
        mean: raw value that becomes 0, one per channel.
        std: raw difference that becomes 1, one per channel.
        missing: raw value that means "no reading", or None.
        valid_range: smallest and largest raw value that the network is given; where a value can say "no reading", what
            lies outside becomes that, as it does when the network is served.
        geometry: how images hold it, as the data say that the network is trained on; None for colour, and where they
            do not say.
    """

    name: str
    channels: int
    unit: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    missing: float | None
    valid_range: tuple[float, float]
    geometry: Geometry | None = None

    def normalise(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        """Map raw values [H, W, C] or [H, W] to the network's range, float32 [C, H, W]."""
        picture = np.asarray(raw, np.float32).reshape(*raw.shape[:2], self.channels)
        if self.missing is not None:
            picture = np.where(outside(picture, self.valid_range), np.float32(self.missing), picture)
        normalised = (picture - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1))


MODALITIES = {
    modality.name: modality
    for modality in (
        # The usual ImageNet statistics, on the scale of a byte.
        Modality("rgb", 3, "intensity 0..255", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), None, (0.0, 255.0)),
        # Indoor depth: a hole (0 m) lands at -5/3, apart from everything that a depth camera can see.
        Modality("depth", 1, "metre", (2.5,), (1.5,), 0.0, (0.0, 10.0)),
    )
}


def modality(name: str) -> Modality:
    """Return a modality by name.

    Raises:
        UsageError: an unknown name, with those that exist.
    """
    if name not in MODALITIES:
        raise UsageError(f"modality {name!r} is unknown; allowed are {', '.join(MODALITIES)}")
    return MODALITIES[name]


def modalities(config: NetworkConfig) -> tuple[Modality, ...]:
    """Return the modalities of a network's streams, normalised as the network was trained.

    Raises:
        UsageError: an unknown name, with those that exist.
    """
    depth = dataclasses.replace(
        MODALITIES["depth"],
        unit=QUANTITIES[config.geometry],
        mean=(config.depth_mean,),
        std=(config.depth_std,),
        valid_range=(0.0, config.depth_farthest if config.geometry == "depth" else math.inf),
        geometry=_geometry(config),
    )
    return tuple(depth if name == "depth" else modality(name) for name in config.streams)


def _geometry(config: NetworkConfig) -> Geometry | None:
    """Return how the files of the training data hold the stream `depth`, or None where they do not say."""
    if config.geometry_scale is None:
        return None if config.geometry == "depth" else Geometry(config.geometry, 1.0, config.geometry_missing)
    return Geometry(config.geometry, config.geometry_scale, config.geometry_missing)
