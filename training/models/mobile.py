"""The mobile family: EfficientNet-Lite and MobileNetV2 as channel-exchanging encoders, which begin from ImageNet.

Blocks are inverted residuals: a 1x1 convolution widens, a depth-wise one looks around, a linear 1x1 narrows. The
exchange follows the depth-wise convolution, as it follows the 3x3 of the CEN paper's bottlenecks (section 3.4); the
linear convolution behind it restores the channel order in its weights, so a residual is never exchanged and a frozen
network reorders nothing between two blocks.

Source: Tan and Le, EfficientNet (2019), in the Lite variants without squeeze-and-excitation; Sandler et al.,
MobileNetV2 (2018). What was decided and measured: `docs/cen-mobile.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.resnet import Exchange

#: Channels of the stem, of which all other channels are fixed multiples.
WIDTH = 32
#: Which groups make a stage; each ends before the next stride.
STAGES = (slice(0, 2), slice(2, 3), slice(3, 5), slice(5, 7))


@dataclass(frozen=True)
class Group:
    """Blocks of equal width, of which the first one has the stride.

    Attributes:
        expansion: channels of the depth-wise convolution, as a multiple of those that come in.
        channels: that go out.
        kernel: side of the depth-wise convolution.
        stride: of the first block.
        blocks: how many.
    """

    expansion: int
    channels: int
    kernel: int
    stride: int
    blocks: int


@dataclass(frozen=True)
class Architecture:
    """One encoder.

    Attributes:
        groups: seven, which `STAGES` divides.
        eps: of the norms, as the ImageNet weights were trained.
    """

    groups: tuple[Group, ...]
    eps: float


def _efficientnet(channels: Sequence[int], blocks: Sequence[int]) -> Architecture:
    """Return an EfficientNet-Lite of some widths and depths."""
    shapes = ((1, 3, 1), (6, 3, 2), (6, 5, 2), (6, 3, 2), (6, 5, 1), (6, 5, 2), (6, 3, 1))
    groups = (
        Group(expansion, width, kernel, stride, depth)
        for (expansion, kernel, stride), width, depth in zip(shapes, channels, blocks, strict=True)
    )
    return Architecture(tuple(groups), 1e-3)


def _mobilenet(channels: Sequence[int], blocks: Sequence[int]) -> Architecture:
    """Return a MobileNetV2 of some widths and depths."""
    shapes = ((1, 1), (6, 2), (6, 2), (6, 2), (6, 1), (6, 2), (6, 1))
    groups = (
        Group(expansion, width, 3, stride, depth)
        for (expansion, stride), width, depth in zip(shapes, channels, blocks, strict=True)
    )
    return Architecture(tuple(groups), 1e-5)


_LITE_WIDTHS = (16, 24, 40, 80, 112, 192, 320)
ARCHITECTURES = {
    "efficientnet-lite0": _efficientnet(_LITE_WIDTHS, (1, 2, 2, 3, 3, 4, 1)),
    "efficientnet-lite1": _efficientnet(_LITE_WIDTHS, (1, 3, 3, 4, 4, 5, 1)),
    "efficientnet-lite2": _efficientnet((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
    "mobilenet-v2": _mobilenet((16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1)),
}


class InvertedResidual(nn.Module):
    """1x1 (wider), depth-wise (with the stride and the exchange), linear 1x1 (narrower), and a residual where it fits.

    Args:
        in_channels: channels that come in.
        group: what the block is like.
        channels: channels that go out.
        stride: of the depth-wise convolution.
        exchange: makes the norms.
    """

    def __init__(self, in_channels: int, group: Group, channels: int, stride: int, exchange: Exchange) -> None:
        super().__init__()
        inner = in_channels * group.expansion
        self.residual = stride == 1 and in_channels == channels
        self.expand: nn.Module | None = None
        if group.expansion > 1:
            self.expand = nn.Conv2d(in_channels, inner, 1, bias=False)
            self.norm1 = exchange.norm(inner)
        self.depthwise = nn.Conv2d(inner, inner, group.kernel, stride, group.kernel // 2, groups=inner, bias=False)
        self.norm2 = exchange.norm(inner, exchanging=True, stride=stride)
        self.project = nn.Conv2d(inner, channels, 1, bias=False)
        self.norm3 = exchange.norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to [M*N, channels, H/stride, W/stride]."""
        y: Tensor = x if self.expand is None else F.relu6(self.norm1(self.expand(x)))
        y = F.relu6(self.norm2(self.depthwise(y)))
        y = self.norm3(self.project(y))
        return y + x if self.residual else y


class MobileEncoder(nn.Module):
    """A strided 3x3 convolution and four stages of `InvertedResidual`, each of which ends before the next stride.

    Args:
        name: one of `ARCHITECTURES`.
        in_channels: channels of every stream after widening.
        width: channels of the stem; 32 in the papers, and all others in proportion.
        exchange: makes the norms.

    Attributes:
        name: as given.
        blocks: how many each stage has, before anything is added to one.
    """

    def __init__(self, name: str, in_channels: int, width: int, exchange: Exchange) -> None:
        super().__init__()
        architecture = ARCHITECTURES[name]
        self.name = name
        self.blocks = tuple(sum(group.blocks for group in architecture.groups[part]) for part in STAGES)
        self.stem = nn.Conv2d(in_channels, width, 3, 2, 1, bias=False)
        self.norm = exchange.norm(width)
        self.stages = nn.ModuleList()
        self.out_channels: tuple[int, ...] = ()
        incoming = width
        for part in STAGES:
            stage = nn.Sequential()
            for group in architecture.groups[part]:
                channels = max(1, round(group.channels * width / WIDTH))
                for index in range(group.blocks):
                    stride = group.stride if index == 0 else 1
                    stage.append(InvertedResidual(incoming, group, channels, stride, exchange))
                    incoming = channels
            self.stages.append(stage)
            self.out_channels += (incoming,)
        for norm in self.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.eps = architecture.eps

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map a stacked tensor [M*N, C, H, W] to four levels at 1/4, 1/8, 1/16 and 1/32 (rounded up) of its size."""
        x = F.relu6(self.norm(self.stem(x)))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels
