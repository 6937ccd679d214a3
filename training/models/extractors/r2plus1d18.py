"""R(2+1)D-18 with torchvision's key names: every 3D convolution is one in space and one in time.

Source: the GMF paper, section 5.3 (its reference [28]).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.extractors.base import Extractor


class Conv2Plus1D(nn.Sequential):
    """A convolution over height and width, a norm, ReLU, and a convolution over time.

    Args:
        in_channels: channels that come in.
        channels: channels that go out.
        middle: channels between the two.
        stride: in all three directions.
    """

    def __init__(self, in_channels: int, channels: int, middle: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(in_channels, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(),
            nn.Conv3d(middle, channels, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        )


class BasicBlock(nn.Module):
    """Two (2+1)D convolutions and a residual.

    Args:
        in_channels: channels that come in.
        channels: channels that go out.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        # As many parameters as a whole 3x3x3 convolution would have.
        middle = in_channels * channels * 27 // (in_channels * 9 + 3 * channels)
        self.conv1 = nn.Sequential(
            Conv2Plus1D(in_channels, channels, middle, stride), nn.BatchNorm3d(channels), nn.ReLU()
        )
        self.conv2 = nn.Sequential(Conv2Plus1D(channels, channels, middle), nn.BatchNorm3d(channels))
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv3d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm3d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, T, H, W] to [N, channels, T/stride, H/stride, W/stride]."""
        return F.relu(self.conv2(self.conv1(x)) + self.downsample(x))


class R2Plus1D18(Extractor):
    """R(2+1)D-18.

    Args:
        channels: of its input.
        width: channels of the stem; 64 in the paper. The stem's middle has 45 at that width.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        super().__init__(width)
        middle = max(1, 45 * width // 64)
        self.stem = nn.Sequential(
            nn.Conv3d(channels, middle, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(),
            nn.Conv3d(middle, width, (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        )
        self._add_stages(width, BasicBlock)

    def forward(self, x: Tensor) -> Tensor:
        """Map clips [N, channels, T, H, W] to features [N, 8 * width]."""
        return self._staged(self.stem(x))
