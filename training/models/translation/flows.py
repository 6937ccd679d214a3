"""Flows: pairs of a task and an input that travel stacked on the batch axis, task by task.

A network of T tasks with M inputs each has F = T*M flows; rows `[f*N, (f+1)*N)` of a stacked tensor belong to flow f.
Layers that all flows share see one large batch; layers of some flows alone get their run of it.
Source: the CEN journal paper, sections 3.2 to 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackFlows(nn.Module):
    """Stack the inputs of all flows on the batch axis, three channels each; an image of one channel is repeated.

    Args:
        channels: per input, 1 or 3.
        sources: per flow the index of its input.
    """

    out_channels = 3

    def __init__(self, channels: Sequence[int], sources: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.sources = tuple(sources)
        self.channels_last = True

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map inputs [N, c, H, W] to [F*N, 3, H, W].

        Raises:
            ValueError: another number of inputs, or an input with other channels or another size than the rest.
        """
        if len(inputs) != len(self.channels):
            raise ValueError(f"{len(inputs)} inputs came, the network takes {len(self.channels)}; give one per domain")
        for index, (x, channels) in enumerate(zip(inputs, self.channels, strict=True)):
            if x.ndim != 4 or x.shape[1] != channels or x.shape[2:] != inputs[0].shape[2:]:
                raise ValueError(
                    f"input {index} has shape {tuple(x.shape)}; expected [N, {channels}, H, W] "
                    f"with the size of input 0, {tuple(inputs[0].shape[2:])}"
                )
        wide = [x.repeat(1, self.out_channels // x.shape[1], 1, 1) for x in inputs]
        stacked = torch.cat([wide[source] for source in self.sources])
        return stacked.contiguous(memory_format=torch.channels_last) if self.channels_last else stacked


class Runs(nn.Module):
    """Layers side by side over a stacked tensor, each for a run of neighbouring flows.

    Args:
        parts: one layer per run.
        lengths: flows of every run.
    """

    def __init__(self, parts: Sequence[nn.Module], lengths: Sequence[int]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.lengths = tuple(lengths)

    @property
    def owners(self) -> tuple[int, ...]:
        """Index of the part of every flow."""
        return tuple(part for part, length in enumerate(self.lengths) for _ in range(length))

    def forward(self, stacked: Tensor) -> Tensor:
        """Map a stacked tensor [F*N, ...] run by run."""
        batch = stacked.shape[0] // sum(self.lengths)
        runs = torch.split(stacked, [batch * length for length in self.lengths])
        return torch.cat([part(run) for part, run in zip(self.parts, runs, strict=True)])


class TaskMix(nn.Module):
    """The weighted sum of the flows of every task: α is the softmax of a free vector of ones per task.

    Args:
        tasks: T.
        streams: M, inputs of every task.
    """

    def __init__(self, tasks: int, streams: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.ones(tasks, streams))

    @property
    def alpha(self) -> Tensor:
        """Decision scores, float [T, M], positive; those of a task sum to 1."""
        return self.scores.softmax(1)

    def forward(self, stacked: Tensor) -> Tensor:
        """Map stacked flows [T*M*N, C, H, W] to stacked tasks [T*N, C, H, W]."""
        tasks, streams = self.scores.shape
        flows = torch.unflatten(stacked, 0, (tasks, streams, -1))
        return (flows * self.alpha.view(tasks, streams, 1, 1, 1, 1)).sum(1).flatten(0, 1)


def lengths(owners: Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of the runs of equal numbers in a rising sequence."""
    return tuple(list(owners).count(owner) for owner in dict.fromkeys(owners))
