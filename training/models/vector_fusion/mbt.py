"""Multimodal bottleneck transformer over feature vectors: modalities speak through a few shared tokens only.

Source: Nagrani et al., "Attention bottlenecks for multimodal fusion" (reference [3] of the GMF paper), as a
module over one given vector per modality.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.training.models.vector_fusion.attention import Projections, TransformerLayer, heads_of
from crosswire.training.models.vector_fusion.base import Fused, Fusion


class MBT(Fusion):
    """Transformer layers of every modality's own over its token and the bottleneck's; the bottlenecks are averaged.

    Six layers per modality, one bottleneck token and 512 features give 37.83 M parameters and 0.15 G floating point
    operations, the figures of Table 2.

    Args:
        dims: features of each modality.
        width: features of a token.
        depth: layers per modality.
        bottlenecks: shared tokens.
    """

    def __init__(self, dims: Sequence[int], *, width: int, depth: int = 6, bottlenecks: int = 1) -> None:
        super().__init__(dims)
        self.project = Projections(dims, width)
        self.bottleneck = nn.Parameter(0.02 * torch.randn(1, bottlenecks, width))
        self.layers = nn.ModuleList(
            nn.ModuleList(TransformerLayer(width, heads_of(width)) for _ in dims) for _ in range(depth)
        )
        self.out_features = len(dims) * width

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Join the modalities' tokens behind the last layer, [N, d * width]."""
        tokens = [x.unsqueeze(1) for x in self.project(features)]
        shared = self.bottleneck.expand(tokens[0].shape[0], -1, -1)
        for index, layers in enumerate(self.layers):
            assert isinstance(layers, nn.ModuleList)
            together = [layer(torch.cat((x, shared), 1)) for layer, x in zip(layers, tokens, strict=True)]
            tokens = [x[:, :1] for x in together]
            if index + 1 < len(self.layers):
                shared = torch.stack([x[:, 1:] for x in together]).mean(0)
        return Fused(torch.cat(tokens, 1).flatten(1))
