"""MISA over feature vectors: an invariant and a specific representation per modality, fused by self-attention.

Source: Hazarika et al., "MISA: Modality-invariant and -specific representations" (reference [16] of
the GMF paper), as a module over one given vector per modality.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.vector_fusion.attention import Projections, TransformerLayer, heads_of
from crosswire.training.models.vector_fusion.base import Fused, Fusion

MOMENTS = 5
SIMILARITY, DIFFERENCE, RECONSTRUCTION = 1.0, 0.3, 1.0


class MISA(Fusion):
    """One shared and one private encoder per modality; similarity, difference and reconstruction as losses.

    Args:
        dims: features of each modality.
        width: features of a representation.
        depth: transformer layers over the 2d representations.
    """

    def __init__(self, dims: Sequence[int], *, width: int, depth: int = 15) -> None:
        super().__init__(dims)
        self.project = Projections(dims, width)
        self.private = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Sigmoid()) for _ in dims)
        self.shared = nn.Sequential(nn.Linear(width, width), nn.Sigmoid())
        self.reconstruct = nn.ModuleList(nn.Linear(width, width) for _ in dims)
        self.layers = nn.ModuleList(TransformerLayer(width, heads_of(width)) for _ in range(depth))
        self.out_features = 2 * len(dims) * width

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Join the representations behind the self-attention, [N, 2 * d * width]."""
        projected = self.project(features)
        private = [encode(x) for encode, x in zip(self.private, projected, strict=True)]
        shared = [self.shared(x) for x in projected]
        tokens = torch.stack((*private, *shared), 1)
        for layer in self.layers:
            tokens = layer(tokens)
        return Fused(tokens.flatten(1), self._loss(projected, private, shared) if self.training else None)

    def _loss(self, projected: list[Tensor], private: list[Tensor], shared: list[Tensor]) -> Tensor:
        """Draw shared parts together, keep private ones apart from all others, and rebuild the features."""
        alike = [moment_discrepancy(x, y) for x, y in itertools.combinations(shared, 2)]
        apart = [orthogonality(x, y) for x, y in zip(private, shared, strict=True)]
        apart += [orthogonality(x, y) for x, y in itertools.combinations(private, 2)]
        rebuilt = [
            F.mse_loss(layer(own + common), x)
            for layer, own, common, x in zip(self.reconstruct, private, shared, projected, strict=True)
        ]
        total = RECONSTRUCTION * torch.stack(rebuilt).mean() + DIFFERENCE * torch.stack(apart).sum()
        return total + SIMILARITY * torch.stack(alike).mean() if alike else total


def moment_discrepancy(one: Tensor, other: Tensor) -> Tensor:
    """Return the central moment discrepancy of two batches [N, W] with values from 0 to 1, up to the fifth moment."""
    means = one.mean(0), other.mean(0)
    total = _distance(*means)
    for order in range(2, MOMENTS + 1):
        total = total + _distance(*((x - mean).pow(order).mean(0) for x, mean in zip((one, other), means, strict=True)))
    return total


def orthogonality(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared correlation of two batches of vectors [N, W], each centred and of unit length."""
    unit = [F.normalize(x - x.mean(0), dim=1) for x in (one, other)]
    return (unit[0].T @ unit[1]).square().mean()


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the Euclidean distance of two vectors, with a gradient where they meet."""
    return ((one - other).square().sum() + 1e-12).sqrt()
