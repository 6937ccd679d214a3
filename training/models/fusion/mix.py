"""Rules that add up streams in place of an exchange.

Source: the CEN paper, section 4.1, additional ablation study 3: summed activations, and a learnt soft gate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crosswire.training.models.exchange import Mixing


class SumStreams(Mixing):
    """Every stream goes on with the sum of all streams.

    Args:
        channels: C.
        streams: M.
    """

    def __init__(self, channels: int, streams: int) -> None:
        super().__init__()
        self.streams = streams

    def forward(self, stacked: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to the same shape, all streams alike."""
        return torch.unflatten(stacked, 0, (self.streams, -1)).sum(0).repeat(self.streams, 1, 1, 1)


class GatedSum(Mixing):
    """Every stream adds the other streams' sum to its own activations, weighed by a soft gate per channel.

    A gate is the sigmoid of a free number per stream and channel. The numbers begin at 0, so every gate begins half
    open; fully open gates make a `SumStreams`.

    Args:
        channels: C.
        streams: M.
    """

    def __init__(self, channels: int, streams: int) -> None:
        super().__init__()
        self.streams = streams
        self.logits = nn.Parameter(torch.zeros(streams, channels))

    def forward(self, stacked: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to the same shape."""
        own = torch.unflatten(stacked, 0, (self.streams, -1))
        gates = self.logits.sigmoid()[:, None, :, None, None]
        return (own + gates * (own.sum(0, keepdim=True) - own)).flatten(0, 1)
