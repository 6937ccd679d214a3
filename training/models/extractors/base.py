"""What the extractors share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

STAGES = ("layer1", "layer2", "layer3", "layer4")


class Extractor(nn.Module, ABC):
    """Maps pictures or sound to one feature vector.

    Args:
        out_features: its size.
    """

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to [N, out_features]."""


def initialise(module: nn.Module) -> None:
    """Initialise a convolution for the ReLU behind it."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
