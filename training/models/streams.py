"""How streams come together and go apart: stacking, convolutions of their own, and the ensemble of decisions."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.training.models.exchange import PrivateNorm2d


class StackStreams(nn.Module):
    """Stack M inputs on the batch axis after tiling their channels to the least common multiple.

    Source: the CEN paper, footnote 3: 3-channel colour and 1-channel depth both become 3 channels.

    Args:
        channels: channels of each stream's input.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.out_channels = math.lcm(*self.channels)
        self.channels_last = True

    def single(self, stream: int) -> StackStreams:
        """Return the widening of one stream alone, to as many channels as all of them together have."""
        alone = StackStreams(self.channels[stream : stream + 1])
        alone.out_channels = self.out_channels
        alone.channels_last = self.channels_last
        return alone

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map M tensors [N, c_m, H, W] to one [M*N, lcm, H, W], stream-major.

        Raises:
            ValueError: another number of inputs, or an input with other channels or another size than the rest.
        """
        if len(inputs) != len(self.channels):
            raise ValueError(f"{len(inputs)} inputs came for {len(self.channels)} streams; give one per stream")
        widened = []
        for index, (x, channels) in enumerate(zip(inputs, self.channels, strict=True)):
            if x.ndim != 4 or x.shape[1] != channels or x.shape[2:] != inputs[0].shape[2:]:
                raise ValueError(
                    f"stream {index} has shape {tuple(x.shape)}; expected [N, {channels}, H, W] "
                    f"with the size of stream 0, {tuple(inputs[0].shape[2:])}"
                )
            widened.append(x.repeat(1, self.out_channels // channels, 1, 1))
        stacked = torch.cat(widened)
        return stacked.contiguous(memory_format=torch.channels_last) if self.channels_last else stacked


class StreamConv2d(nn.Module):
    """One convolution per stream over a stacked tensor: the unshared counterpart of a shared `nn.Conv2d`.

    Args:
        conv: the convolution that every stream gets a copy of; all start from its weights.
        streams: M.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, streams: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(copy.deepcopy(conv) for _ in range(streams))

    def forward(self, stacked: Tensor) -> Tensor:
        """Convolve a stacked tensor [M*N, C, H, W] stream by stream; the result is stacked as it was."""
        parts = stacked.chunk(len(self.convs))
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)])

    def single(self, stream: int) -> nn.Module:
        """Return the convolution of one stream."""
        return self.convs[stream]


def unshare(module: nn.Module, streams: int, *, norms: bool = True) -> None:
    """Give every stream its own copy of each shared layer inside a module (the rows U-U and U-S of Table 1).

    Args:
        module: what is changed, in place.
        streams: M.
        norms: make shared batch norms private too, as those of a decoder are.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.ConvTranspose2d):
            setattr(module, name, StreamConv2d(child, streams))
        elif isinstance(child, nn.BatchNorm2d) and norms:
            setattr(module, name, PrivateNorm2d(child.num_features, streams))
        elif not isinstance(child, StreamConv2d | PrivateNorm2d):
            unshare(child, streams, norms=norms)


class Ensemble(nn.Module):
    """The weighted sum of the streams' decisions, α = softmax of a free vector of ones (Eq. 4).

    Args:
        streams: M.
    """

    def __init__(self, streams: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.ones(streams))

    def single(self, stream: int) -> Ensemble:
        """Return the ensemble of one stream alone, which is its decision."""
        return Ensemble(1).to(self.scores.device)

    @property
    def alpha(self) -> Tensor:
        """Decision scores, float [M], positive, summing to 1."""
        return self.scores.softmax(0)

    def forward(self, stacked: Tensor) -> Tensor:
        """Map stacked decisions [M*N, K, H, W] to their weighted sum [N, K, H, W]."""
        per_stream = torch.unflatten(stacked, 0, (self.scores.numel(), -1))
        return (per_stream * self.alpha.view(-1, 1, 1, 1, 1)).sum(0)
