"""What every fusion of feature vectors takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from crosswire.training.config import ConfigError


class Fused(NamedTuple):
    """What a fusion makes of one feature vector per modality.

    Attributes:
        joint: what the classifier reads, float [N, out_features].
        loss: what the fusion adds to the loss of the task while it trains, a scalar; None where it adds nothing, and
            in evaluation mode.
    """

    joint: Tensor
    loss: Tensor | None = None


class Fusion(nn.Module, ABC):
    """Base of the fusions.

    Args:
        dims: features of each modality, in order.

    Attributes:
        dims: as given.
        out_features: features of the joint vector; set by each fusion.

    Raises:
        ConfigError: no modality, or one without features.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        if not dims or min(dims) < 1:
            raise ConfigError(f"dims are {list(dims)}; give the number of features of every modality, each 1 or more")
        self.dims = tuple(dims)
        self.out_features = sum(dims)

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Fuse one vector [N, dims[j]] per modality; that of a missing modality is what its zero input gives."""
