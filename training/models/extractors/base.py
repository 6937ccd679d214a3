"""What the extractors share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

STAGES = ("layer1", "layer2", "layer3", "layer4")


class Extractor(nn.Module, ABC):
    """Maps images or sound to one feature vector: a stem, and four stages of two residual blocks each.

    Args:
        width: channels of the stem; the vector has 8 times as many features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_features = 8 * width

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to [N, out_features]."""

    def _add_stages(self, width: int, block: Callable[[int, int, int], nn.Module]) -> None:
        """Add the stages behind the stem; `block` takes the channels that come in and go out, and a stride."""
        size = width
        for level, name in enumerate(STAGES):
            out = width * 2**level
            setattr(self, name, nn.Sequential(block(size, out, 1 + (level > 0)), block(out, out, 1)))
            size = out
        self.apply(initialise)

    def _staged(self, x: Tensor) -> Tensor:
        """Send what the stem made through all stages, and average over everything but batch and channels."""
        for name in STAGES:
            x = self.get_submodule(name)(x)
        return x.mean(tuple(range(2, x.ndim)))


def initialise(module: nn.Module) -> None:
    """Initialise a convolution for the ReLU behind it."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
