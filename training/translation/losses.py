"""The objective of a generator: GAN, mean absolute error, and the L1 of the scaling factors.

Source: 003_e01c86a338b7627d.txt, Eq. 5 to 8, after pix2pix: the discriminator of a task judges the picture of every
flow beside the input of that flow; the mix of pictures has the absolute error alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def per_flow(stacked: Tensor, tasks: int, flows: int) -> Tensor:
    """Repeat what there is of every task for each of its flows.

    Args:
        stacked: [T*N, ...], or already [F*N, ...].
        tasks: T.
        flows: F.

    Returns:
        [F*N, ...], task by task.
    """
    by_task = torch.unflatten(stacked, 0, (tasks, 1, -1))
    return by_task.expand(-1, flows // tasks, *by_task.shape[2:]).flatten(0, 2)


def verdicts(judges: Sequence[nn.Module], given: Tensor, pictures: Tensor) -> list[Tensor]:
    """Return the logits of every task's discriminator on the pictures of its flows.

    Args:
        judges: T discriminators.
        given: the inputs of all flows, stacked task by task [F*N, 3, H, W].
        pictures: of all flows, stacked alike.
    """
    pairs = zip(judges, given.chunk(len(judges)), pictures.chunk(len(judges)), strict=True)
    return [judge(own, picture) for judge, own, picture in pairs]


def believed(logits: Sequence[Tensor], *, true: bool, streams: int) -> Tensor:
    """Return the cross-entropy of verdicts with "all true" or "all made", summed over all flows.

    Args:
        logits: per task [M*N, 1, h, w].
        true: what they are held against.
        streams: M.
    """
    wanted = [torch.full_like(patch, float(true)) for patch in logits]
    terms = [F.binary_cross_entropy_with_logits(patch, want) for patch, want in zip(logits, wanted, strict=True)]
    return streams * torch.stack(terms).sum()


def absolute_error(pictures: Tensor, targets: Tensor, parts: int) -> Tensor:
    """Return the mean absolute error of stacked pictures, summed over tasks or flows.

    Args:
        pictures: [P*N, 3, H, W].
        targets: the truth, stacked alike.
        parts: P.
    """
    return parts * F.l1_loss(pictures, targets)
