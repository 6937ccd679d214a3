"""The objective of a channel-exchanging network: Eq. 4 of the CEN paper, and other losses on the labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.datasets.frames import IGNORE
from crosswire.training.models import Decisions, sparse_norms
from crosswire.training.tasks.segmentation.config import LossConfig


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring logits [N, K, h, w] to a size (H, W), bilinearly between pixel centres."""
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


class LabelLoss(nn.Module):
    """The loss of one decision on the labels: cross-entropy, weighed and focused, and Dice beside it.

    With p the probability of a pixel's own class c, w its class weight and γ the focus, the first part is

        Σ w_c (1 - p)^γ (-log p) / Σ w_c,

    which is the focal loss of Lin et al., "Focal loss for dense object detection" (ICCV 2017), Eq. 5, divided by the
    weights instead of the number of objects; γ = 0 is the weighed cross-entropy. The second part is one minus

        D_c = 2 Σ p_c g_c / (Σ p_c² + Σ g_c²),

    the Dice coefficient of Milletari et al., "V-Net" (3DV 2016), section 3, with g_c = 1 where the label is c; the mean
    is over the classes that the batch has. Sums are over all labelled pixels of the batch, those of all processes that
    train together included, so the number of processes changes nothing.

    Args:
        settings: γ and the weight of Dice.
        weights: one per class, float [K]; none for all alike.
    """

    weights: Tensor | None

    def __init__(self, settings: LossConfig, weights: Tensor | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of logits [N, K, H, W] on labels, int64 [N, H, W], `IGNORE` where unknown."""
        loss = self._cross_entropy(logits, labels)
        return loss + self.settings.dice * _dice_loss(logits, labels) if self.settings.dice else loss

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the first part."""
        known = labels != IGNORE
        if self.weights is None and not self.settings.focal:
            total, count = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum"), known.sum()
        else:
            terms = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
            weight = known.to(terms) if self.weights is None else self.weights[labels.where(known, 0)] * known
            # Of a certain pixel, 1 - p is 0, where a power below 1 has no slope.
            focus = (-torch.expm1(-terms)).clamp_min(1e-7) ** self.settings.focal if self.settings.focal else 1.0
            total, count = (weight * focus * terms).sum(), weight.sum()
        return over_processes(total) / over_processes(count.to(total)).clamp_min(1e-12)


def _dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return one minus the mean Dice coefficient of the classes that occur; see `LabelLoss`."""
    known = (labels != IGNORE)[:, None]
    truth = labels[:, None] == torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
    probabilities = logits.softmax(1) * known
    axes = (0, 2, 3)
    sums = ((probabilities * truth).sum(axes), probabilities.square().sum(axes), truth.sum(axes).to(logits))
    both, found, true = map(over_processes, sums)
    occurs = true > 0
    missed = torch.where(occurs, 1 - 2 * both / (found + true).clamp_min(1e-12), 0.0)
    return missed.sum() / occurs.sum().clamp_min(1)


def over_processes(own: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes that train together.

    Its gradient reaches this process's own part, as often as there are processes: the mean of the gradients that
    distributed training takes is then the gradient of the whole.
    """
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return own
    total = own.detach().clone()
    torch.distributed.all_reduce(total)
    return total + torch.distributed.get_world_size() * (own - own.detach())


def task_loss(
    decisions: Decisions, labels: Tensor, stream_loss: float = 0.0, label_loss: Callable[..., Tensor] | None = None
) -> Tensor:
    """Return the loss of the ensemble, and of every stream where that has a weight.

    Args:
        decisions: logits at the decoder's resolution.
        labels: int64 [N, H, W], `IGNORE` where unknown.
        stream_loss: weight of each stream's own loss; Eq. 4 has none.
        label_loss: of one decision; plain cross-entropy if left out.
    """
    size = (labels.shape[-2], labels.shape[-1])
    one = label_loss or LabelLoss(LossConfig())
    loss = one(upsample(decisions.ensemble.float(), size), labels)
    if stream_loss:
        streams = torch.split(upsample(decisions.streams.float(), size), labels.shape[0])
        loss = loss + stream_loss * torch.stack([one(logits, labels) for logits in streams]).sum()
    return loss


def sparsity_loss(network: nn.Module) -> Tensor:
    """Return the sum of |γ̂| over streams and layers: the L1 term of Eq. 4 without λ.

    It reaches what `penalise` of the configuration says: the disjoint sub-parts (the paper), all γ, or none.
    """
    terms = [gamma.abs().sum() for norm in sparse_norms(network).values() for gamma in norm.penalised()]
    return torch.stack(terms).sum() if terms else torch.zeros(())
