"""The objective of a channel-exchanging network: Eq. 4 of the CEN paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.datasets.frames import IGNORE
from crosswire.training.models import Decisions, sparse_norms


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring logits [N, K, h, w] to a size (H, W), bilinearly between pixel centres."""
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def task_loss(decisions: Decisions, labels: Tensor, stream_loss: float = 0.0) -> Tensor:
    """Return the cross-entropy of the ensemble, and of every stream where that has a weight.

    Args:
        decisions: logits at the decoder's resolution.
        labels: int64 [N, H, W], `IGNORE` where unknown.
        stream_loss: weight of each stream's own loss; Eq. 4 has none.
    """
    size = (labels.shape[-2], labels.shape[-1])
    loss = F.cross_entropy(upsample(decisions.ensemble.float(), size), labels, ignore_index=IGNORE)
    if stream_loss:
        streams = decisions.streams.shape[0] // labels.shape[0]
        stacked = labels.repeat(streams, 1, 1)
        loss = loss + stream_loss * streams * F.cross_entropy(
            upsample(decisions.streams.float(), size), stacked, ignore_index=IGNORE
        )
    return loss


def sparsity_loss(network: nn.Module) -> Tensor:
    """Return the sum of |γ̂| over streams and layers: the L1 term of Eq. 4 without λ.

    It reaches what `penalise` of the configuration says: the disjoint sub-parts (the paper), all γ, or none.
    """
    terms = [gamma.abs().sum() for norm in sparse_norms(network).values() for gamma in norm.penalised()]
    return torch.stack(terms).sum() if terms else torch.zeros(())
