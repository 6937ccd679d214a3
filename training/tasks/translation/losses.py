"""The objective of a generator: GAN, mean absolute error, cross-entropy of labels, and the L1 of the scaling factors.

Source: the CEN journal paper, Eq. 5 to 8, after pix2pix: the discriminator of a task judges its answer beside inputs.
In the official code it judges the image of every flow beside the input of that flow, and the mix of images has the
absolute error alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.datasets.frames import IGNORE
from crosswire.training.tasks.translation.domains import Codec

#: Scores of labels lie between -1 and 1; this many times as much are their logits, enough to be certain of a class.
CERTAINTY = 8.0


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


def verdicts(judges: Sequence[nn.Module], given: Tensor, images: Tensor) -> list[Tensor]:
    """Return the logits of every task's discriminator on the images of its flows.

    Args:
        judges: T discriminators.
        given: the inputs of all flows, stacked task by task [F*N, 3, H, W].
        images: of all flows, stacked alike.
    """
    pairs = zip(judges, given.chunk(len(judges)), images.chunk(len(judges)), strict=True)
    return [judge(own, image) for judge, own, image in pairs]


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


def task_error(images: Tensor, targets: Tensor, tasks: Sequence[Codec], l1: float, cross_entropy: float) -> Tensor:
    """Return the mean absolute error of stacked images and the cross-entropy of labels, summed over tasks and flows.

    Args:
        images: of all flows, stacked task by task [F*N, C, H, W]; of one flow per task, or of several.
        targets: the truth of every task, stacked [T*N, 3, H, W].
        tasks: how every task is coded, T of them.
        l1: weight of an absolute error.
        cross_entropy: weight of a cross-entropy.
    """
    flows = images.shape[0] // targets.shape[0]
    terms = []
    for code, made, true in zip(tasks, images.chunk(len(tasks)), targets.chunk(len(tasks)), strict=True):
        made, true = made[:, : code.made], per_flow(true, 1, flows)
        if code.domain.is_labels:
            truth = true[:, 0].long()
            terms.append(cross_entropy * F.cross_entropy(CERTAINTY * made.float(), truth, ignore_index=IGNORE))
        else:
            terms.append(l1 * F.l1_loss(made, true))
    return flows * torch.stack(terms).sum()
