"""The PSPNet decoder: pyramid pooling over a dilated encoder, shared by all streams.

The CEN paper names PSPNet without details; this is its standard head, without the auxiliary loss: averages
over 1x1, 2x2, 3x3 and 6x6 bins, 512 channels each, and a 3x3 convolution to 512. Its batch norms are shared by the
streams as its convolutions are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BINS = (1, 2, 3, 6)


def _conv_norm(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """Make a convolution that keeps the size, a batch norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, 1, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class PyramidPooling(nn.Module):
    """Features beside their averages over `bins` x `bins` regions.

    Args:
        in_channels: channels that come in.
        features: channels of each of the averages.
    """

    def __init__(self, in_channels: int, features: int) -> None:
        super().__init__()
        self.out_channels = in_channels + len(BINS) * features
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), *_conv_norm(in_channels, features, 1)) for bins in BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, out_channels, H, W]."""
        size = x.shape[2:]
        pooled = [F.interpolate(pool(x), size=size, mode="bilinear", align_corners=True) for pool in self.pools]
        return torch.cat([x, *pooled], 1)


class PSPNetDecoder(nn.Module):
    """Pyramid pooling on the deepest level, a 3x3 convolution and a linear head.

    Args:
        in_channels: channels of the encoder's four levels, finest first; only the deepest is used.
        classes: channels of the logits.
        features: channels of every average and of the 3x3 convolution; 512 in the papers.
        dropout: before the head.
    """

    def __init__(self, in_channels: Sequence[int], classes: int, *, features: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        self.pyramid = PyramidPooling(in_channels[-1], features)
        self.fuse = _conv_norm(self.pyramid.out_channels, features, 3)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(features, classes, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Map the encoder's levels, finest first, to logits [B, classes, H/8, W/8]."""
        logits: Tensor = self.head(self.dropout(self.fuse(self.pyramid(levels[-1]))))
        return logits
