"""ResNet encoders whose streams share every convolution and own every norm.

Keys follow torchvision's ResNet (`conv1`, `layer1.0.conv2`, `downsample.0`), norms have one copy per stream below
them. Source: the CEN paper, section 3.4; the exchange comes after each 3x3 convolution of a bottleneck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.contract.errors import UsageError
from crosswire.training.models.exchange import Mixing, PrivateNorm2d, Substitution

EXPANSION = 4
BLOCKS = {
    "resnet14": (1, 1, 1, 1),
    "resnet26": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}


@dataclass(frozen=True)
class Exchange:
    """Where and when channels are exchanged.

    Attributes:
        streams: number of streams M.
        rule: makes what happens behind an exchanging norm from its channels and the streams; None for nothing.
        penalise: as in `PrivateNorm2d`, for the exchanging norms.
        strided: exchange only behind convolutions with a stride.
        share_norms: one norm for all streams instead of private ones.
    """

    streams: int
    rule: Callable[[int, int], Substitution | Mixing] | None = None
    penalise: str = "none"
    strided: bool = False
    share_norms: bool = False

    def norm(self, channels: int, *, exchanging: bool = False, stride: int = 1) -> PrivateNorm2d | nn.BatchNorm2d:
        """Make the norm of one layer, private unless norms are shared.

        Args:
            channels: C.
            exchanging: whether streams may exchange behind it.
            stride: of the convolution before it.
        """
        if self.share_norms:
            return nn.BatchNorm2d(channels)
        if not exchanging or (self.strided and stride == 1) or self.streams == 1:
            return PrivateNorm2d(channels, self.streams)
        rule = self.rule(channels, self.streams) if self.rule else None
        return PrivateNorm2d(channels, self.streams, rule=rule, penalise=self.penalise)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride and the exchange), 1x1, and a residual.

    Args:
        in_channels: channels that come in.
        width: channels of the 3x3 convolution; `4 * width` go out.
        stride: of the 3x3 convolution.
        exchange: makes the norms.
        dilation: of the 3x3 convolution.
    """

    def __init__(self, in_channels: int, width: int, stride: int, exchange: Exchange, dilation: int = 1) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = exchange.norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = exchange.norm(width, exchanging=True, stride=stride)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = exchange.norm(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), exchange.norm(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to [M*N, 4*width, H/stride, W/stride]."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """Bottleneck ResNet without its classifier.

    Args:
        name: one of `BLOCKS`.
        in_channels: channels of every stream after widening.
        width: channels of the stem; 64 in the papers.
        exchange: makes the norms.
        dilated: keep stages 3 and 4 at 1/8 by dilation in place of stride.
    """

    def __init__(self, name: str, in_channels: int, width: int, exchange: Exchange, *, dilated: bool = False) -> None:
        super().__init__()
        if name not in BLOCKS:
            raise UsageError(f"backbone {name!r} is unknown; allowed are {', '.join(BLOCKS)}")
        self.out_channels = tuple(EXPANSION * width * 2**level for level in range(4))
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = exchange.norm(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        channels = width
        dilation = 1
        for level, depth in enumerate(BLOCKS[name]):
            stride, first = 2 if level > 0 else 1, dilation
            if dilated and level > 1:
                stride, dilation = 1, 2 * dilation  # the first block still reads its input as the strided one would
            blocks = []
            for index in range(depth):
                step, gap = (stride, first) if index == 0 else (1, dilation)
                blocks.append(Bottleneck(channels, width * 2**level, step, exchange, gap))
                channels = EXPANSION * width * 2**level
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.apply(_initialise)

    @property
    def stages(self) -> tuple[nn.Sequential, ...]:
        """The four stages, finest first."""
        return self.layer1, self.layer2, self.layer3, self.layer4

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map a stacked tensor [M*N, C, H, W] to four levels at 1/4, 1/8, 1/16 and 1/32 (rounded up) of its size.

        Dilated, the two deepest levels are at 1/8 as well.
        """
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        c1 = self.layer1(x)
        c2 = self.layer2(c1)
        c3 = self.layer3(c2)
        return c1, c2, c3, self.layer4(c3)


def _initialise(module: nn.Module) -> None:
    """Initialise a convolution for the ReLU behind it."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
