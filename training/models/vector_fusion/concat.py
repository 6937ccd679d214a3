"""The baseline: features side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crosswire.training.models.vector_fusion.base import Fused, Fusion


class Concat(Fusion):
    """Concatenates the features; nothing is learnt."""

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Join [N, dims[j]] to [N, sum of dims]."""
        return Fused(torch.cat(list(features), 1))
