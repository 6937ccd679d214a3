"""The end of a segmentation graph: logits at the decoder's resolution become labels and confidence at full size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from crosswire.training.tasks.segmentation.losses import upsample

Answers = tuple[Tensor, Tensor]
Tail = Callable[[Tensor, tuple[int, int]], Answers]

#: Up to so many pixels along one side of a logit, one graph node per residue still pays.
LARGEST_FACTOR = 4


def whole(logits: Tensor, size: tuple[int, int]) -> Answers:
    """Up-sample all logits, then decide: few operators, as a GPU likes it.

    Args:
        logits: float32 [N, K, h, w].
        size: H and W.

    Returns:
        labels, uint8 [N, H, W], and confidence, uint8 [N, H, W]: the winner's soft-max times 255, rounded.
    """
    large = upsample(logits, size)
    # The winner's soft-max alone: one over all channels takes several times as long in ONNX Runtime.
    partition = (large - large.amax(1, keepdim=True)).exp().sum(1)
    return large.argmax(1).to(torch.uint8), (255.0 / partition).round().to(torch.uint8)


def by_residues(logits: Tensor, size: tuple[int, int]) -> Answers:
    """Do the same where the size is a small multiple f of the logits', one residue of rows and columns at a time.

    Pixels (f·i + a, f·j + b) with equal a and b lie equally far from the logits around them: up-sampling them is one
    weighted sum of shifted logits. A residue stays in a core's cache while it is decided, its classes side by side; all
    of the up-sampled logits do not. `benchmarks/tail.py` measures the gain. Any other size is left to `whole`.
    """
    factor = size[0] // logits.shape[2]
    if not 1 < factor <= LARGEST_FACTOR or size != (factor * logits.shape[2], factor * logits.shape[3]):
        return whole(logits, size)
    small = logits.permute(0, 2, 3, 1)
    parts = [part for rows in _residues(small, 1, factor) for part in _residues(rows, 2, factor)]
    decided = [(part.argmax(3), part.softmax(3).amax(3)) for part in parts]
    labels, probability = (_woven(found, factor) for found in zip(*decided, strict=True))
    return labels.to(torch.uint8), (255.0 * probability).round().to(torch.uint8)


def _residues(small: Tensor, axis: int, factor: int) -> list[Tensor]:
    """Up-sample linearly along an axis, edges repeated; return every factor-th element in a tensor of its own."""
    length = small.shape[axis]
    step = small.narrow(axis, 1, length - 1) - small.narrow(axis, 0, length - 1)
    # Padded, not joined with zeros: those would be a constant of one batch size (`crosswire.export.batch_axis`).
    behind_it = (0, 0) * (small.ndim - 1 - axis)
    before, behind = pad(step, (*behind_it, 1, 0)), pad(step, (*behind_it, 0, 1))
    offsets = [(index + 0.5) / factor - 0.5 for index in range(factor)]
    return [small + offset * (before if offset < 0 else behind) for offset in offsets]


def _woven(parts: tuple[Tensor, ...], factor: int) -> Tensor:
    """Put residues [N, h, w], rows first, back into an image [N, H, W]."""
    n, h, w = parts[0].shape
    blocks = torch.stack(parts, 3).reshape(n, h, w, factor, factor)
    return blocks.transpose(2, 3).reshape(n, h * factor, w * factor)
