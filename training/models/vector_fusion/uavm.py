"""UAVM over feature vectors: one network that reads any modality, its answers averaged.

Source: Gong et al., "UAVM: Towards unifying audio and visual models" (reference [6] of the GMF paper), as
a module over one given vector per modality.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.training.models.vector_fusion.attention import TransformerLayer, heads_of
from crosswire.training.models.vector_fusion.base import Fused, Fusion


class UAVM(Fusion):
    """Projections of the modalities' own, and transformer layers that all of them share; no modality sees another.

    Args:
        dims: features of each modality.
        width: features of a token.
        depth: shared layers.
    """

    def __init__(self, dims: Sequence[int], *, width: int, depth: int = 8) -> None:
        super().__init__(dims)
        self.project = nn.ModuleList(nn.Linear(size, width) for size in dims)
        self.layers = nn.ModuleList(TransformerLayer(width, heads_of(width)) for _ in range(depth))
        self.out_features = width

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Return the mean over the modalities, [N, width]."""
        alone = [project(x).unsqueeze(1) for project, x in zip(self.project, features, strict=True)]
        for layer in self.layers:
            alone = [layer(x) for x in alone]
        return Fused(torch.cat(alone, 1).mean(1))
