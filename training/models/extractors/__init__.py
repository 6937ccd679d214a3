"""The registry of feature extractors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crosswire.training.models.extractors.base import Extractor
from crosswire.training.models.extractors.r2plus1d18 import R2Plus1D18
from crosswire.training.models.extractors.resnet18 import ResNet18

__all__ = ["EXTRACTORS", "Extractor", "build_extractor"]

EXTRACTORS: Mapping[str, Callable[..., Extractor]] = {"r2plus1d18": R2Plus1D18, "resnet18": ResNet18}


def build_extractor(name: str, *, channels: int = 3, width: int = 64) -> Extractor:
    """Build an extractor with fresh weights.

    Args:
        name: one of `EXTRACTORS`.
        channels: of its input: 3 for images, 1 for spectrograms.
        width: channels of its stem; it gives 8 times as many features.
    """
    return EXTRACTORS[name](channels, width)
