"""Ablations of the exchange: with zeros, with a weighted sum, or of channels that γ does not choose.

Source: the CEN paper, section 4.1, additional ablation studies 1 and 5; the CEN authors' response to the reviewers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.training.models.exchange import ChannelExchange, Substitution, sub_parts


class Discard(ChannelExchange):
    """Zero the channels that Eq. 6 would replace."""

    def forward(self, normed: Sequence[Tensor], gammas: Sequence[Tensor]) -> list[Tensor]:
        """Zero channels of M tensors [N, C, H, W]."""
        kept = (~mask.view(1, -1, 1, 1) for mask in self.masks(gammas))
        return [torch.where(keep, own, torch.zeros_like(own)) for own, keep in zip(normed, kept, strict=True)]


class WeightedExchange(ChannelExchange):
    """Replace the channels of Eq. 6 by a weighted sum of the other streams in place of their mean.

    Source: the CEN authors' response to reviewer 2, question 2, which says no more of the weights. Here they are free
    numbers per stream, source and channel that may be replaced, and begin as those of the mean.

    Args:
        channels: C.
        streams: M.
        threshold: θ, as in `ChannelExchange`.
        restrict: as in `Substitution`.
    """

    def __init__(self, channels: int, streams: int, threshold: float, *, restrict: bool = True) -> None:
        super().__init__(channels, streams, threshold, restrict=restrict)
        self.parts = sub_parts(channels, streams) if restrict else [slice(0, channels)] * streams
        begin = 1 / max(1, streams - 1)
        self.weights = nn.ParameterList(torch.full((streams - 1, part.stop - part.start), begin) for part in self.parts)

    def source_weights(self) -> Tensor:
        """Return the weight of every source in every channel of a stream, float [M, M, C]; 0 where none is needed."""
        dense = torch.zeros(self.streams, self.streams, self.channels)
        for stream, (part, weights) in enumerate(zip(self.parts, self.weights, strict=True)):
            dense[stream, self._sources(stream), part] = weights.detach().cpu()
        return dense

    def forward(self, normed: Sequence[Tensor], gammas: Sequence[Tensor]) -> list[Tensor]:
        """Replace channels of M tensors [N, C, H, W]; all are read before any is replaced."""
        exchanged = []
        for stream, (own, mask, part, weights) in enumerate(
            zip(normed, self.masks(gammas), self.parts, self.weights, strict=True)
        ):
            sources = (normed[source][:, part] for source in self._sources(stream))
            terms = [weight.view(1, -1, 1, 1) * source for weight, source in zip(weights, sources, strict=True)]
            replaced = torch.where(mask[part].view(1, -1, 1, 1), sum(terms[1:], terms[0]), own[:, part])
            exchanged.append(torch.cat([own[:, : part.start], replaced, own[:, part.stop :]], 1))
        return exchanged

    def _sources(self, stream: int) -> list[int]:
        """Return the other streams, in the order of the weights."""
        return [source for source in range(self.streams) if source != stream]


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
