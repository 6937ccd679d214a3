"""Perceiver over feature vectors: latents that read the stacked features and condense them.

Source: Jaegle et al., "Perceiver: General perception with iterative attention" (reference [4] of
the GMF paper), as a module over one given vector per modality.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.training.models.vector_fusion.attention import FEED_FORWARD, Attention, Projections, gated, heads_of
from crosswire.training.models.vector_fusion.base import Fused, Fusion

CROSS_HEAD = 64


class GatedFeedForward(nn.Module):
    """Two linear layers with a gate between them.

    Args:
        width: features of a latent.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * FEED_FORWARD * width)
        self.down = nn.Linear(FEED_FORWARD * width, width)

    def forward(self, latents: Tensor) -> Tensor:
        """Add the result to latents [N, L, width]."""
        added: Tensor = self.down(gated(self.up(self.norm(latents))))
        return latents + added


class PerceiverLayer(nn.Module):
    """Latents read the features, then each other, with a feed-forward part behind each reading.

    Args:
        width: features of a latent.
        context: features of a token that is read.
    """

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.cross_norm, self.context_norm = nn.LayerNorm(width), nn.LayerNorm(context)
        self.cross = Attention(width, 1, context=context, head_width=CROSS_HEAD, bias=False)
        self.cross_feed = GatedFeedForward(width)
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads_of(width), bias=False)
        self.feed = GatedFeedForward(width)

    def forward(self, latents: Tensor, context: Tensor) -> Tensor:
        """Map latents [N, L, width] to the same shape, reading tokens [N, S, context]."""
        latents = self.cross_feed(latents + self.cross(self.cross_norm(latents), self.context_norm(context)))
        normed = self.norm(latents)
        latents = self.feed(latents + self.attention(normed, normed))
        return latents


class Perceiver(Fusion):
    """Stacks the features without saying which modality each is, and condenses them in latents.

    Six layers, 256 latents of 512 features give the 45.05 M parameters of Table 2; its 45.59 G floating point
    operations would take 512 latents.

    Args:
        dims: features of each modality.
        width: features of a latent and of a stacked token.
        depth: layers.
        latents: number of latents.
    """

    def __init__(self, dims: Sequence[int], *, width: int, depth: int = 6, latents: int = 256) -> None:
        super().__init__(dims)
        self.project = Projections(dims, width)
        self.latents = nn.Parameter(0.02 * torch.randn(1, latents, width))
        self.layers = nn.ModuleList(PerceiverLayer(width, width) for _ in range(depth))
        self.out_features = width

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Return the mean of the latents, [N, width]."""
        context = torch.stack(self.project(features), 1)
        latents = self.latents.expand(context.shape[0], -1, -1)
        for layer in self.layers:
            latents = layer(latents, context)
        return Fused(latents.mean(1))
