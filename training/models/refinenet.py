"""The RefineNet decoder, norm-free and shared by all streams.

Source: the CEN paper, section 4.1 (RefineNet as the segmentation framework). Convolutions are 3x3 and have
a bias only where written.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def _conv3x3(in_channels: int, out_channels: int, *, bias: bool = False) -> nn.Conv2d:
    """Make a 3x3 convolution that keeps the size."""
    return nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=bias)


class ResidualConvUnit(nn.Module):
    """ReLU, convolution, ReLU, convolution, added to the rectified input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(channels, channels, bias=True)
        self.conv2 = _conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        x = F.relu(x)
        y: Tensor = self.conv2(F.relu(self.conv1(x)))
        return y + x


class ChainedResidualPooling(nn.Module):
    """A chain of 5x5 max pooling and convolution whose stages are summed up."""

    def __init__(self, channels: int, stages: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv3x3(channels, channels) for _ in range(stages))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        x = F.relu(x)
        total = x
        for conv in self.convs:
            x = conv(F.max_pool2d(x, 5, 1, 2))
            total = total + x
        return total


class _Refine(nn.Module):
    """One level: adapt the encoder's features, add what comes from below, pool, refine, hand on."""

    def __init__(
        self, in_channels: int, channels: int, units: tuple[int, int], pooling: int, out_channels: int
    ) -> None:
        super().__init__()
        self.reduce = _conv3x3(in_channels, channels)
        self.adapt = nn.Sequential(*(ResidualConvUnit(channels) for _ in range(units[0])))
        self.pool = ChainedResidualPooling(channels, pooling)
        self.refine = nn.Sequential(*(ResidualConvUnit(channels) for _ in range(units[1])))
        self.hand_on: nn.Module = _conv3x3(channels, out_channels) if out_channels else nn.Identity()


class _Deepest(_Refine):
    """The level that nothing comes to from below."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, out_channels, H, W]."""
        return self.hand_on(self.refine(self.pool(self.adapt(self.reduce(x)))))  # type: ignore[no-any-return]


class _Fused(_Refine):
    """A level that fuses the up-sampled one below."""

    def __init__(
        self, in_channels: int, channels: int, units: tuple[int, int], pooling: int, out_channels: int
    ) -> None:
        super().__init__(in_channels, channels, units, pooling, out_channels)
        self.fuse = _conv3x3(channels, channels)

    def forward(self, x: Tensor, below: Tensor) -> Tensor:
        """Map [B, C, H, W] and [B, channels, h, w] to [B, out_channels, H, W]."""
        own = self.fuse(self.adapt(self.reduce(x)))
        below = F.interpolate(below, size=own.shape[2:], mode="bilinear", align_corners=True)
        return self.hand_on(self.refine(self.pool(own + below)))  # type: ignore[no-any-return]


class RefineNetDecoder(nn.Module):
    """Four refinement levels and a linear head at the finest one.

    Args:
        in_channels: channels of the encoder's four levels, finest first.
        classes: channels of the logits.
        features: channels of levels 1 to 3; the deepest has twice as many. 256 in the papers.
        units: residual units before and after fusion, (2, 3) in the papers.
        pooling: stages of chained residual pooling, 4 in the papers.
        dropout: before the two deepest levels and the head.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        classes: int,
        *,
        features: int = 256,
        units: tuple[int, int] = (2, 3),
        pooling: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4 = in_channels
        self.dropout = nn.Dropout(dropout)
        self.level4 = _Deepest(c4, 2 * features, units, pooling, features)
        self.level3 = _Fused(c3, features, units, pooling, features)
        self.level2 = _Fused(c2, features, units, pooling, features)
        self.level1 = _Fused(c1, features, units, pooling, 0)
        self.head = _conv3x3(features, classes, bias=True)

    def forward(self, levels: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """Map the encoder's levels, finest first, to logits [B, classes, H/4, W/4]."""
        c1, c2, c3, c4 = levels
        x = self.level4(self.dropout(c4))
        x = self.level3(self.dropout(c3), x)
        x = self.level2(c2, x)
        x = self.level1(c1, x)
        logits: Tensor = self.head(self.dropout(x))
        return logits
