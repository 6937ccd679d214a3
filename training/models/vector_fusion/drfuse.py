"""DrFuse over feature vectors: shared and distinct representations, weighed by attention.

Source: Yao et al., "DrFuse: Learning disentangled representation" (reference [8] of the GMF paper), as a
module over one given vector per modality, with one query instead of one per disease.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.vector_fusion.attention import Projections, TransformerLayer, heads_of
from crosswire.training.models.vector_fusion.base import Fused, Fusion


class DrFuse(Fusion):
    """A shared and a distinct encoder per modality; shared ones agree (Jensen-Shannon), distinct ones are orthogonal.

    Args:
        dims: features of each modality.
        width: features of a representation.
        depth: transformer layers per encoder; each modality has two encoders.
    """

    def __init__(self, dims: Sequence[int], *, width: int, depth: int = 3) -> None:
        super().__init__(dims)
        self.project = Projections(dims, width)
        self.shared = nn.ModuleList(_encoder(width, depth) for _ in dims)
        self.distinct = nn.ModuleList(_encoder(width, depth) for _ in dims)
        self.query = nn.Parameter(0.02 * torch.randn(width))
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.out_features = width

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Return the attended mixture of the shared and all distinct representations, [N, width]."""
        tokens = [x.unsqueeze(1) for x in self.project(features)]
        shared = [encode(x).squeeze(1) for encode, x in zip(self.shared, tokens, strict=True)]
        distinct = [encode(x).squeeze(1) for encode, x in zip(self.distinct, tokens, strict=True)]
        everything = torch.stack((torch.stack(shared).mean(0), *distinct), 1)
        scores = (self.key(everything) @ self.query) / math.sqrt(self.query.numel())
        joint = (scores.softmax(1).unsqueeze(2) * self.value(everything)).sum(1)
        return Fused(joint, self._loss(shared, distinct) if self.training else None)

    def _loss(self, shared: list[Tensor], distinct: list[Tensor]) -> Tensor:
        """Let shared representations agree, and distinct ones be orthogonal to those of their own modality."""
        apart = [F.cosine_similarity(x, y, dim=1).abs().mean() for x, y in zip(shared, distinct, strict=True)]
        alike = [jensen_shannon(x, y) for x, y in itertools.combinations(shared, 2)]
        return torch.stack((*apart, *alike)).sum()


def jensen_shannon(one: Tensor, other: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of the distributions that the logits [N, W] describe, averaged over N."""
    logs = one.log_softmax(1), other.log_softmax(1)
    middle = torch.logaddexp(*logs) - math.log(2)
    halves = [F.kl_div(middle, log, log_target=True, reduction="batchmean") for log in logs]
    return (halves[0] + halves[1]) / 2


def _encoder(width: int, depth: int) -> nn.Sequential:
    """Stack transformer layers."""
    return nn.Sequential(*(TransformerLayer(width, heads_of(width)) for _ in range(depth)))
