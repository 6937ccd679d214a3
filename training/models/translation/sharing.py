"""Norms of several streams that share a part of their four components: γ and β, or the statistics μ and σ².

Source: the CEN supplement, Tables 8 and 9, and the CEN journal paper, Tables 10 and 11: convolutions are shared,
nothing is exchanged, and what the norms of the encoder share is compared. What the components are depends on the norm:

* An instance norm trains with every image's own μ and σ², whoever shares what. Beside that it keeps running means of
  them, which a trained network normalises with (`statistics=fixed`): the papers list "running mean μ and variance σ²".
  Shared statistics are one running mean over the images of all streams, private ones one per stream.
* A batch norm trains with μ and σ² of the batch. Shared statistics are those of the images of all streams together, in
  training and in the running means alike, private ones those of a stream's own images.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Makes a norm from its channels; with `affine=False` one without γ and β.
NormMaker = Callable[..., nn.Module]


class PartlySharedNorm2d(nn.Module, ABC):
    """Norms of M streams over a stacked tensor, stream-major, which share some of their components.

    Args:
        channels: C.
        streams: M.
    """

    def __init__(self, channels: int, streams: int) -> None:
        super().__init__()
        self.channels = channels
        self.streams = streams

    @abstractmethod
    def stream_norms(self) -> list[nn.Module]:
        """Return copies of the M norms as they are now, each with all four components."""

    @abstractmethod
    def forward(self, stacked: Tensor) -> Tensor:
        """Normalise a stacked tensor [M*N, C, H, W]; the shape stays."""


class SharedAffineNorm2d(PartlySharedNorm2d):
    """One γ and one β for all streams, statistics of each stream's own.

    Args:
        channels: C.
        streams: M.
        norm: makes one norm.
    """

    def __init__(self, channels: int, streams: int, norm: NormMaker) -> None:
        super().__init__(channels, streams)
        self.norms = nn.ModuleList(norm(channels, affine=False) for _ in range(streams))
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def stream_norms(self) -> list[nn.Module]:
        """Return copies of the M norms as they are now, each with all four components."""
        return [_whole(norm, self.weight, self.bias) for norm in self.norms]

    def forward(self, stacked: Tensor) -> Tensor:
        """Normalise a stacked tensor [M*N, C, H, W]; the shape stays."""
        parts = [norm(part) for norm, part in zip(self.norms, stacked.chunk(self.streams), strict=True)]
        return torch.addcmul(self.bias.view(1, -1, 1, 1), torch.cat(parts), self.weight.view(1, -1, 1, 1))


class SharedStatisticsNorm2d(PartlySharedNorm2d):
    """One μ and one σ² for all streams, γ and β of each stream's own.

    Args:
        channels: C.
        streams: M.
        norm: makes one norm.
    """

    def __init__(self, channels: int, streams: int, norm: NormMaker) -> None:
        super().__init__(channels, streams)
        self.norm = norm(channels, affine=False)
        self.weight = nn.Parameter(torch.ones(streams, channels))
        self.bias = nn.Parameter(torch.zeros(streams, channels))

    def stream_norms(self) -> list[nn.Module]:
        """Return copies of the M norms as they are now, each with all four components."""
        return [_whole(self.norm, weight, bias) for weight, bias in zip(self.weight, self.bias, strict=True)]

    def forward(self, stacked: Tensor) -> Tensor:
        """Normalise a stacked tensor [M*N, C, H, W]; the shape stays."""
        images = stacked.shape[0] // self.streams
        weight, bias = (one.repeat_interleave(images, 0)[..., None, None] for one in (self.weight, self.bias))
        return torch.addcmul(bias, self.norm(stacked), weight)


def shared_norms(sharing: str, channels: int, streams: int, norm: NormMaker) -> nn.Module:
    """Return the norms of M streams over a stacked tensor [M*N, C, H, W].

    Args:
        sharing: what is everybody's: `affine` (γ, β), `statistics` (μ, σ²), or both, `shared`.
        channels: C.
        streams: M.
        norm: makes one norm.
    """
    if sharing == "affine":
        return SharedAffineNorm2d(channels, streams, norm)
    return SharedStatisticsNorm2d(channels, streams, norm) if sharing == "statistics" else norm(channels)


def _whole(norm: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    """Return a copy of a norm without γ and β, with these."""
    whole = copy.deepcopy(norm)
    whole.affine = True  # type: ignore[assignment]
    whole.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    whole.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return whole
