"""AVoiD-DF over feature vectors: modalities that attend to each other in both directions.

Source: Yang et al., "AVoiD-DF: Audio-visual joint learning for detecting deepfake" (reference [15] of
the GMF paper), its joint decoder as a module over one given vector per modality. Its contrastive loss needs
pairs of real and fake clips and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.training.models.vector_fusion.attention import Projections, TransformerLayer, heads_of
from crosswire.training.models.vector_fusion.base import Fused, Fusion


class AVoiDDF(Fusion):
    """Layers of self-attention and attention to all other modalities, of every modality's own.

    Args:
        dims: features of each modality, two or more.
        width: features of a token.
        depth: layers per modality.
    """

    def __init__(self, dims: Sequence[int], *, width: int, depth: int = 7) -> None:
        super().__init__(dims)
        self.project = Projections(dims, width)
        self.layers = nn.ModuleList(
            nn.ModuleList(TransformerLayer(width, heads_of(width), cross=len(dims) > 1) for _ in dims)
            for _ in range(depth)
        )
        self.out_features = len(dims) * width

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Join the tokens behind the last layer, [N, d * width]."""
        tokens = [x.unsqueeze(1) for x in self.project(features)]
        for layers in self.layers:
            assert isinstance(layers, nn.ModuleList)
            tokens = [layer(x, _others(tokens, j)) for j, (layer, x) in enumerate(zip(layers, tokens, strict=True))]
        return Fused(torch.cat(tokens, 1).flatten(1))


def _others(tokens: list[Tensor], own: int) -> Tensor | None:
    """Return the tokens of all modalities but one, [N, d - 1, width]; None where it is alone."""
    others = [x for index, x in enumerate(tokens) if index != own]
    return torch.cat(others, 1) if others else None
