"""The light family: a residual encoder of 3x3 convolutions without pooling, and a decoder of few layers.

Made for whole images on a CPU in 8-bit arithmetic: dense 3x3 and 1x1 convolutions, ReLU and bilinear up-sampling,
nothing else. Every norm is private, and the exchange follows each 3x3 convolution of the encoder's blocks as in the
bottlenecks of the CEN paper, section 3.4. What was measured and dropped: `docs/cen-lite.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.resnet import Exchange

#: Channels of the four stages, as multiples of the width.
STAGES = (1, 2, 4, 6)


class LiteBlock(nn.Module):
    """Two 3x3 convolutions, each with an exchange, a linear 1x1 convolution, and a residual.

    The 1x1 convolution gives the residual its own channel order: what is added up was never exchanged, so a frozen
    network needs no reordering between two blocks.

    Args:
        in_channels: channels that come in.
        channels: channels of all convolutions.
        stride: of the first convolution.
        exchange: makes the norms.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, exchange: Exchange) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = exchange.norm(channels, exchanging=True, stride=stride)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = exchange.norm(channels, exchanging=True)
        self.conv3 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn3 = exchange.norm(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), exchange.norm(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to [M*N, channels, H/stride, W/stride]."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class LiteEncoder(nn.Module):
    """Two strided 3x3 convolutions and four stages of `LiteBlock`.

    Args:
        in_channels: channels of every stream after widening.
        width: channels of the first stage; the stem's first convolution has half of them.
        blocks: number of blocks per stage.
        exchange: makes the norms.
    """

    def __init__(self, in_channels: int, width: int, blocks: Sequence[int], exchange: Exchange) -> None:
        super().__init__()
        self.out_channels = tuple(width * multiple for multiple in STAGES)
        half = max(width // 2, 1)
        self.stem1 = nn.Conv2d(in_channels, half, 3, 2, 1, bias=False)
        self.norm1 = exchange.norm(half)
        self.stem2 = nn.Conv2d(half, width, 3, 2, 1, bias=False)
        self.norm2 = exchange.norm(width)
        self.stages = nn.ModuleList()
        incoming = width
        for level, (channels, depth) in enumerate(zip(self.out_channels, blocks, strict=True)):
            stage = nn.Sequential()
            for index in range(depth):
                stage.append(LiteBlock(incoming, channels, 2 if index == 0 and level > 0 else 1, exchange))
                incoming = channels
            self.stages.append(stage)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a stacked tensor [M*N, C, H, W] to four levels at 1/4, 1/8, 1/16 and 1/32 (rounded up) of its size."""
        x = F.relu(self.norm1(self.stem1(x)))
        x = F.relu(self.norm2(self.stem2(x)))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


class _Merge(nn.Module):
    """One level of the decoder: the encoder's features brought to its width, plus what comes from below."""

    def __init__(self, in_channels: int, features: int, exchange: Exchange) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, features, 1, bias=False)
        self.norm = exchange.norm(features)

    def forward(self, x: Tensor, below: Tensor | None = None) -> Tensor:
        """Map [B, C, H, W] and, where there is a level below, [B, features, h, w] to [B, features, H, W]."""
        y: Tensor = self.norm(self.conv(x))
        if below is not None:
            y = y + F.interpolate(below, size=y.shape[2:], mode="bilinear", align_corners=False)
        return F.relu(y)


class LiteDecoder(nn.Module):
    """Top-down merging of the encoder's levels, one 3x3 convolution at the finest, and a linear head.

    Args:
        in_channels: channels of the encoder's four levels, finest first.
        classes: channels of the logits.
        features: channels of every level.
        dropout: before the head.
        exchange: makes the norms, none of which exchanges.
    """

    def __init__(
        self, in_channels: Sequence[int], classes: int, *, features: int, dropout: float, exchange: Exchange
    ) -> None:
        super().__init__()
        self.level1, self.level2, self.level3, self.level4 = (
            _Merge(channels, features, exchange) for channels in in_channels
        )
        self.conv = nn.Conv2d(features, features, 3, 1, 1, bias=False)
        self.norm = exchange.norm(features)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(features, classes, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Map the encoder's levels, finest first, to logits [B, classes, H/4, W/4]."""
        c1, c2, c3, c4 = levels
        x = self.level1(c1, self.level2(c2, self.level3(c3, self.level4(c4))))
        logits: Tensor = self.head(self.dropout(F.relu(self.norm(self.conv(x)))))
        return logits
