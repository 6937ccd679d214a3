"""Ablations of the exchange that replace channels otherwise: with zeros, or channels that γ does not choose.

Source: the CEN paper, section 4.1, additional ablation studies 1 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crosswire.training.models.exchange import ChannelExchange, Substitution, sub_parts


class Discard(ChannelExchange):
    """Zero the channels that Eq. 6 would replace."""

    def forward(self, normed: Sequence[Tensor], gammas: Sequence[Tensor]) -> list[Tensor]:
        """Zero channels of M tensors [N, C, H, W]."""
        kept = (~mask.view(1, -1, 1, 1) for mask in self.masks(gammas))
        return [torch.where(keep, own, torch.zeros_like(own)) for own, keep in zip(normed, kept, strict=True)]


class FixedPortion(Substitution):
    """Exchange the first channels that each stream may replace, whatever their γ.

    Args:
        channels: C.
        streams: M.
        portion: share of all C channels that every stream replaces, rounded down; its sub-part limits it to C/M.
        restrict: as in `Substitution`.
    """

    replaced: Tensor

    def __init__(self, channels: int, streams: int, portion: float, *, restrict: bool = True) -> None:
        super().__init__(channels, streams, restrict=restrict)
        parts = sub_parts(channels, streams) if restrict else [slice(0, channels)] * streams
        replaced = torch.zeros(streams, channels, dtype=torch.bool)
        for stream, part in enumerate(parts):
            order = self.order(part.stop - part.start)
            replaced[stream, part.start + order[: int(portion * channels)]] = True
        self.register_buffer("replaced", replaced)

    def order(self, candidates: int) -> Tensor:
        """Return the order in which candidates are chosen, int64 [candidates]."""
        return torch.arange(candidates)

    def masks(self, gammas: Sequence[Tensor]) -> list[Tensor]:
        """Return per stream which channels are replaced, bool [C] each: always the same."""
        return list(self.replaced)


class RandomPortion(FixedPortion):
    """Exchange channels drawn once, when the network is built; the draw is kept with the weights."""

    def order(self, candidates: int) -> Tensor:
        """Return a random order from torch's global generator, int64 [candidates]."""
        return torch.randperm(candidates)
