"""The U-Net of image translation over stacked flows; the CEN journal paper, section 4, after pix2pix.

Each level of the encoder is LeakyReLU(0.2), a 4x4 convolution of stride 2, the norms and the exchange; the first has
no LeakyReLU. Each level of the decoder is ReLU, a transposed convolution, the norms, and dropout in the three deepest.
Skips carry what was exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.translation.norms import owned

SLOPE = 0.2
#: Levels of the decoder behind which there is dropout, from the deepest.
DROPPED = 3
_MOST = 8

Maker = Callable[[int], nn.Module]


def widths(width: int, levels: int) -> tuple[int, ...]:
    """Return the channels of every level: doubling, up to eight times the first one's."""
    return tuple(width * min(2**level, _MOST) for level in range(levels))


class Down(nn.Module):
    """One level of the encoder.

    Args:
        conv: the convolution, or one per owner.
        norm: the norms with their exchange, or the identity.
        first: whether nothing comes before it that needs a nonlinearity.

    Attributes:
        fuse: what stands between this level and the next one, and the decoder.
        blocks: residual blocks behind it.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module, *, first: bool) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.fuse: nn.Module = nn.Identity()
        self.blocks: nn.Module = nn.Identity()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """Map stacked flows [F*N, C, H, W] to [F*N, C', H/2, W/2]."""
        y = x if self.first else F.leaky_relu(x, SLOPE)
        return self.blocks(self.fuse(self.norm(self.conv(y))))  # type: ignore[no-any-return]


class Up(nn.Module):
    """One level of the decoder.

    Args:
        conv: the transposed convolution, or one per owner.
        norm: the norms with their exchange, or the identity.
        dropout: probability.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map stacked flows [F*N, C, H, W] to [F*N, C', 2H, 2W]."""
        return self.dropout(self.norm(self.conv(F.relu(x))))  # type: ignore[no-any-return]


class UNetEncoder(nn.Module):
    """The descending half.

    Args:
        in_channels: of every flow.
        channels: of every level.
        owners: per flow, whose convolutions it uses, rising from 0.
        norms: makes the norms behind a level.
        normed: levels with norms.

    Attributes:
        out_channels: of every level.
        stages: the levels.
    """

    def __init__(
        self, in_channels: int, channels: Sequence[int], owners: Sequence[int], norms: Maker, normed: Sequence[int]
    ) -> None:
        super().__init__()
        self.out_channels = tuple(channels)
        self.stages = nn.ModuleList()
        for level, (before, after) in enumerate(zip((in_channels, *channels), channels, strict=False)):
            conv = owned(owners, lambda before=before, after=after: nn.Conv2d(before, after, 4, 2, 1))  # type: ignore[misc]
            norm = norms(after) if level in normed else nn.Identity()
            self.stages.append(Down(conv, norm, first=level == 0))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map stacked flows [F*N, C, H, W] to all levels, finest first."""
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


class UNetDecoder(nn.Module):
    """The ascending half, with a tanh at its end.

    Args:
        channels: of the encoder's levels, finest first.
        out_channels: of an image.
        owners: per flow, whose convolutions it uses, rising from 0.
        norms: makes the norms behind a level; the last one has none.
        dropout: probability behind the deepest levels.
    """

    def __init__(
        self, channels: Sequence[int], out_channels: int, owners: Sequence[int], norms: Maker, dropout: float
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for level in reversed(range(len(channels))):
            before = channels[level] * (1 if level == len(channels) - 1 else 2)
            after = channels[level - 1] if level else out_channels
            conv = owned(
                owners,
                lambda before=before, after=after: nn.ConvTranspose2d(before, after, 4, 2, 1),  # type: ignore[misc]
            )
            dropped = dropout if len(self.stages) < DROPPED and level else 0.0
            self.stages.append(Up(conv, norms(after) if level else nn.Identity(), dropped))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Map the encoder's levels, finest first, to stacked images [F*N, C, 2H, 2W] from -1 to 1."""
        x = levels[-1]
        for index, stage in enumerate(self.stages):
            if index:
                x = torch.cat([x, levels[-1 - index]], 1)
            x = stage(x)
        return torch.tanh(x)


def initialise(module: nn.Module) -> None:
    """Draw the weights of a convolution from N(0, 0.02), as pix2pix does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
