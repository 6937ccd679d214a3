"""Residual blocks that every task selects or skips, learnt beside their weights: AdaShare on the levels of a U-Net.

Source: Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020, in the form
of its official code (github.com/sunxm2357/AdaShare), which skips blocks of a ResNet. Table 8 of the CEN journal paper
has it as a baseline, and says nothing of it but its budget: one set of norms, two encoders and three decoders. A level
of a U-Net halves its image and cannot be skipped, so blocks that keep their shape are added behind the levels that have
norms; one behind each of those of the U-Net-256 makes its encoder as large as 2.04. One set of norms serves all tasks,
in the levels and in the blocks. A level ends before its nonlinearity, and so does a block, with none behind the sum:
x + s · norm(conv(LeakyReLU(norm(conv(LeakyReLU(x)))))), where the decision s is 1 to select the block and 0 to skip it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.translation.unet import SLOPE, Maker


class ResidualBlock(nn.Module):
    """What a block adds to its input: two 3x3 convolutions of its width, each behind a LeakyReLU and before a norm.

    Args:
        channels: C.
        norms: makes a norm for a stacked tensor of all flows.
    """

    def __init__(self, channels: int, norms: Maker) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(norms(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to the same shape."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(F.leaky_relu(x, SLOPE)))
        return x


class TaskBlocks(nn.Module):
    """Residual blocks in a row, each of which every task selects or skips.

    After training the likelier decision is taken; a tie selects. In training a block is selected by all until it is
    `sampled`: then its decisions are drawn from the Gumbel-softmax of its logits, softly, so that both may learn. Once
    decisions are `settled`, those of all blocks are taken as after training.

    Args:
        tasks: T, with one flow each.
        channels: C.
        count: n, blocks in a row.
        norms: makes a norm for a stacked tensor of all flows.

    Attributes:
        logits: of selecting and of skipping, float [T, n, 2]; equal at first.
        temperature: of the Gumbel-softmax, a scalar.
        sampled: bool [n].
        settled: bool, a scalar.
    """

    temperature: Tensor
    sampled: Tensor
    settled: Tensor

    def __init__(self, tasks: int, channels: int, count: int, norms: Maker) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels, norms) for _ in range(count))
        self.logits = nn.Parameter(torch.zeros(tasks, count, 2))
        self.register_buffer("temperature", torch.ones(()), persistent=False)
        self.register_buffer("sampled", torch.zeros(count, dtype=torch.bool), persistent=False)
        self.register_buffer("settled", torch.zeros((), dtype=torch.bool), persistent=False)

    @property
    def selected(self) -> Tensor:
        """The likelier decisions, bool [T, n]."""
        return self.logits[..., 0] >= self.logits[..., 1]

    def decisions(self) -> Tensor:
        """Return the decisions of now, float [T, n], from 0 to skip to 1 to select; drawn anew in training."""
        taken = self.selected.to(self.logits.dtype)
        if not self.training:
            return taken
        held = torch.where(self.settled, taken, torch.ones_like(taken))
        return torch.where(self.sampled & ~self.settled, _drawn(self.logits, self.temperature), held)

    def forward(self, stacked: Tensor) -> Tensor:
        """Map stacked tasks [T*N, C, H, W] to the same shape."""
        decisions = self.decisions().to(stacked.dtype)
        for index, block in enumerate(self.blocks):
            added = torch.unflatten(block(stacked), 0, (decisions.shape[0], -1))
            stacked = stacked + (added * decisions[:, index].view(-1, 1, 1, 1, 1)).flatten(0, 1)
        return stacked


def _drawn(logits: Tensor, temperature: Tensor) -> Tensor:
    """Draw decisions [T, n] from logits [T, n, 2]: softmax of (log π + G) / τ, G of a Gumbel distribution."""
    gumbel = -torch.empty_like(logits).exponential_().log()
    return ((logits.log_softmax(2) + gumbel) / temperature).softmax(2)[..., 0]


def task_blocks(network: nn.Module) -> list[TaskBlocks]:
    """Return the blocks of a network in the order in which they run."""
    return [module for module in network.modules() if isinstance(module, TaskBlocks)]


def selection(network: nn.Module, outputs: Sequence[str]) -> dict[str, list[bool]]:
    """Return by output which blocks of a network it selects, in the order in which they run; empty without blocks."""
    parts = task_blocks(network)
    return {
        name: [bool(chosen) for part in parts for chosen in part.selected[task].tolist()]
        for task, name in enumerate(outputs if parts else ())
    }


def sparsity_of(parts: Sequence[TaskBlocks]) -> Tensor:
    """Return how much of a network is selected: -log of the probability of skipping, as a mean over sampled blocks.

    The cross-entropy of the decisions with "skip", summed over tasks; a scalar.
    """
    skipped = torch.cat([part.logits.log_softmax(2)[..., 1] for part in parts], 1)
    sampled = torch.cat([part.sampled for part in parts])
    return -(skipped * sampled).sum() / sampled.sum().clamp_min(1)


def disagreement_of(parts: Sequence[TaskBlocks]) -> Tensor:
    """Return how unlike the tasks decide: the L1 distance of their logits of selecting, over all pairs of tasks.

    Block l of L counts l / L, from 1; a scalar.
    """
    logits = torch.cat([part.logits[..., 0] for part in parts], 1)
    count = logits.shape[1]
    weights = torch.arange(1, count + 1, device=logits.device) / count
    pairs = [(weights * (logits[i] - logits[j]).abs()).sum() for i, j in combinations(range(len(logits)), 2)]
    return torch.stack(pairs).sum()
