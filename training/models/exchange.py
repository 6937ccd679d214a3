"""Channel exchange: private norms for stacked streams, and the mask that says which channels are replaced.

Streams travel stacked on the batch axis, stream-major: rows `[m*N, (m+1)*N)` of a stacked tensor belong to stream m.
Source: the CEN paper, Eq. 5 (private norm), Eq. 6 (exchange) and section 3.3 (disjoint sub-parts).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn


def sub_part(channels: int, stream: int, streams: int) -> slice:
    """Return the block of channels in which a stream may be replaced.

    The blocks of all streams are disjoint and cover every channel; their bounds are `floor(m * channels / streams)`,
    so that the number of streams need not divide the number of channels.
    """
    return slice(stream * channels // streams, (stream + 1) * channels // streams)


def sub_parts(channels: int, streams: int) -> list[slice]:
    """Return the sub-parts of all streams, see `sub_part`."""
    return [sub_part(channels, stream, streams) for stream in range(streams)]


def exchange_mask(gamma: Tensor, threshold: float, stream: int, streams: int, *, restrict: bool = True) -> Tensor:
    """Say which channels of one stream are replaced by the mean of the other streams (Eq. 6).

    Args:
        gamma: scaling factors of the stream's own norm, float [C].
        threshold: θ; a channel is replaced when |γ| <= θ.
        stream: index of the stream.
        streams: number of streams M; with a single one nothing is ever replaced.
        restrict: replace only inside the stream's own sub-part (the paper), or anywhere.

    Returns:
        bool [C], True where the channel is replaced.
    """
    mask = gamma.detach().abs() <= threshold
    if streams == 1:
        return torch.zeros_like(mask)
    if restrict:
        own = torch.zeros_like(mask)
        own[sub_part(gamma.numel(), stream, streams)] = True
        mask = mask & own
    return mask


def exchange(normed: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
    """Replace the masked channels of every stream by the mean of the other streams (Eq. 6).

    All streams are read before any is replaced, so two streams can swap a channel. A replaced channel passes no
    gradient to its own stream; its sources receive 1/(M-1) of it each.

    Args:
        normed: M tensors [N, C, H, W], each after its private norm.
        masks: M tensors bool [C].

    Returns:
        M tensors [N, C, H, W].
    """
    total = torch.stack(tuple(normed)).sum(0) if len(normed) > 2 else None
    exchanged = []
    for stream, (own, mask) in enumerate(zip(normed, masks, strict=True)):
        others = normed[1 - stream] if total is None else (total - own) / (len(normed) - 1)
        exchanged.append(torch.where(mask.view(1, -1, 1, 1), others, own))
    return exchanged


class Substitution(nn.Module, ABC):
    """A rule that replaces chosen channels of a stream by the mean of the other streams; subclasses choose.

    Args:
        channels: C.
        streams: M.
        restrict: replace only inside a stream's own sub-part (the paper), or anywhere.
    """

    def __init__(self, channels: int, streams: int, *, restrict: bool = True) -> None:
        super().__init__()
        self.channels = channels
        self.streams = streams
        self.restrict = restrict

    @abstractmethod
    def masks(self, gammas: Sequence[Tensor]) -> list[Tensor]:
        """Return per stream which channels are replaced now, bool [C] each.

        Args:
            gammas: scaling factors of every stream, float [C] each.
        """

    def candidates(self) -> list[int]:
        """Return per stream how many channels may be replaced."""
        if not self.restrict:
            return [self.channels] * self.streams
        return [part.stop - part.start for part in sub_parts(self.channels, self.streams)]

    def forward(self, normed: Sequence[Tensor], gammas: Sequence[Tensor]) -> list[Tensor]:
        """Replace channels of M tensors [N, C, H, W]; see `exchange`."""
        return exchange(normed, self.masks(gammas))


class ChannelExchange(Substitution):
    """The exchange of Eq. 6.

    Args:
        channels: C.
        streams: M.
        threshold: θ; a channel is replaced when |γ| <= θ.
        restrict: as in `Substitution`.
    """

    def __init__(self, channels: int, streams: int, threshold: float, *, restrict: bool = True) -> None:
        super().__init__(channels, streams, restrict=restrict)
        self.threshold = threshold

    def masks(self, gammas: Sequence[Tensor]) -> list[Tensor]:
        """Return per stream which channels are replaced now, bool [C] each."""
        return [
            exchange_mask(gamma, self.threshold, stream, self.streams, restrict=self.restrict)
            for stream, gamma in enumerate(gammas)
        ]


class Mixing(nn.Module):
    """A rule that mixes every channel of the streams: maps a stacked tensor [M*N, C, H, W] to the same shape."""


class PrivateNorm2d(nn.Module):
    """One norm per stream over a stacked tensor (Eq. 5), followed by the exchange where it is asked for.

    Args:
        channels: C.
        streams: M.
        rule: what the streams do to each other behind the norms; None for nothing.
        penalise: the scaling factors γ̂ that the L1 term of Eq. 4 reaches: those of the stream's own sub-part
            ("half", the paper), "all" or "none".
        norm: makes one stream's norm from its channels.
    """

    def __init__(
        self,
        channels: int,
        streams: int,
        *,
        rule: Substitution | Mixing | None = None,
        penalise: str = "none",
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.streams = streams
        self.norms = nn.ModuleList(norm(channels) for _ in range(streams))
        self.rule = rule if streams > 1 else None
        self.penalise = penalise if streams > 1 else "none"

    @property
    def exchanges(self) -> bool:
        """Whether channels can be replaced here."""
        return isinstance(self.rule, Substitution)

    @property
    def threshold(self) -> float | None:
        """θ where γ decides which channels are replaced, None elsewhere."""
        return self.rule.threshold if isinstance(self.rule, ChannelExchange) else None

    @property
    def gammas(self) -> list[nn.Parameter]:
        """The M scaling factors, float [C] each."""
        return [norm.weight for norm in self.norms]  # type: ignore[misc]

    def masks(self) -> list[Tensor]:
        """Return per stream which channels are replaced now, bool [C] each."""
        if isinstance(self.rule, Substitution):
            return self.rule.masks(self.gammas)
        return [torch.zeros_like(gamma, dtype=torch.bool) for gamma in self.gammas]

    def candidates(self) -> list[int]:
        """Return per stream how many channels may be replaced."""
        return self.rule.candidates() if isinstance(self.rule, Substitution) else [0] * self.streams

    def penalised(self) -> list[Tensor]:
        """Return per stream the scaling factors γ̂ that the L1 term of Eq. 4 reaches; nothing where it reaches none."""
        if self.penalise == "none":
            return []
        if self.penalise == "all":
            return list(self.gammas)
        parts = sub_parts(self.channels, self.streams)
        return [gamma[part] for gamma, part in zip(self.gammas, parts, strict=True)]

    def single(self, stream: int) -> PrivateNorm2d:
        """Return the norm of one stream alone, without exchange."""
        alone = PrivateNorm2d(self.channels, 1)
        alone.norms[0] = self.norms[stream]
        return alone

    def forward(self, stacked: Tensor) -> Tensor:
        """Normalise and exchange a stacked tensor [M*N, C, H, W]; the shape stays."""
        if self.streams == 1:
            normed: Tensor = self.norms[0](stacked)
            return normed
        parts = [norm(part) for norm, part in zip(self.norms, stacked.chunk(self.streams), strict=True)]
        if isinstance(self.rule, Substitution):
            parts = self.rule(parts, self.gammas)
        stacked = torch.cat(parts)
        return self.rule(stacked) if isinstance(self.rule, Mixing) else stacked


def exchanging_norms(network: nn.Module) -> dict[str, PrivateNorm2d]:
    """Return the norms of a network behind which channels can be replaced, by name."""
    return {name: norm for name, norm in sparse_norms(network).items() if norm.exchanges}


def sparse_norms(network: nn.Module) -> dict[str, PrivateNorm2d]:
    """Return the norms of a network behind which channels can be replaced or whose γ̂ the L1 term reaches, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, PrivateNorm2d) and (module.exchanges or module.penalise != "none")
    }


def exchanged_share(network: nn.Module) -> float:
    """Return the replaced share of all channels that may be replaced, 0..1; 0 for a network that replaces none."""
    return share_of(exchanging_norms(network).values())


def share_of(norms: Collection[PrivateNorm2d]) -> float:
    """Return the replaced share of the channels that may be replaced behind some norms, 0..1; 0 where none may."""
    candidates = sum(sum(norm.candidates()) for norm in norms)
    replaced = sum(int(mask.sum()) for norm in norms for mask in norm.masks())
    return replaced / candidates if candidates else 0.0
