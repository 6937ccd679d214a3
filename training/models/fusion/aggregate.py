"""Aggregation between stages: concatenation, average and self-attention.

Source: the CEN supplement, section 2, and the sizes in the CEN journal paper, Table 2. For C channels of each
of two streams they have 2C², no and 20.25C² parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crosswire.training.models.fusion.gather import StreamFusion, begin_as_mean

REDUCTION = 16


class Average(StreamFusion):
    """The mean of the streams."""

    def forward(self, stacked: Tensor) -> Tensor:
        """Map [M*N, C, H, W] to [N, C, H, W] where streams merge, else to the same shape, all streams alike."""
        mean = torch.unflatten(stacked, 0, (self.streams, -1)).mean(0)
        return mean if self.merges else mean.repeat(self.streams, 1, 1, 1)


class Concatenation(StreamFusion):
    """The streams side by side and a 1x1 convolution M*C to C, which begins as their mean."""

    def __init__(self, channels: int, streams: int, *, merges: bool) -> None:
        super().__init__(channels, streams, merges=merges)
        self.reduce = nn.Conv2d(streams * channels, channels, 1, bias=False)
        begin_as_mean(self.reduce, streams)

    def forward(self, stacked: Tensor) -> Tensor:
        """Map [M*N, C, H, W] to [N, C, H, W] where streams merge, else to the same shape."""
        fused: Tensor = self.reduce(self.gather(stacked))
        return fused


class SelfAttention(StreamFusion):
    """The SSMA block: a bottleneck gates the streams side by side, and a 3x3 convolution M*C to C fuses them.

    The bottleneck has C/16 channels. Its gates begin about half open and the fusing convolution as twice the streams'
    mean, so that the block begins about as their mean.
    """

    def __init__(self, channels: int, streams: int, *, merges: bool) -> None:
        super().__init__(channels, streams, merges=merges)
        wide, narrow = streams * channels, max(channels // REDUCTION, 1)
        self.squeeze = nn.Conv2d(wide, narrow, 3, padding=1, bias=False)
        self.expand = nn.Conv2d(narrow, wide, 3, padding=1, bias=False)
        self.fuse = nn.Conv2d(wide, channels, 3, padding=1, bias=False)
        begin_as_mean(self.fuse, streams, scale=2.0)

    def forward(self, stacked: Tensor) -> Tensor:
        """Map [M*N, C, H, W] to [N, C, H, W] where streams merge, else to the same shape."""
        together = self.gather(stacked)
        gates = torch.sigmoid(self.expand(torch.relu(self.squeeze(together))))
        fused: Tensor = self.fuse(together * gates)
        return fused
