"""ResNet-18 with torchvision's key names, for spectrograms.

Source: the GMF paper, section 5.3 (its reference [29]).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.extractors.base import Extractor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual.

    Args:
        in_channels: channels that come in.
        channels: channels that go out.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, H, W] to [N, channels, H/stride, W/stride]."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(Extractor):
    """ResNet-18.

    Args:
        channels: of its input.
        width: channels of the stem; 64 in the paper.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        super().__init__(width)
        self.conv1 = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self._add_stages(width, BasicBlock)

    def forward(self, x: Tensor) -> Tensor:
        """Map spectrograms [N, channels, 1, H, W] or [N, channels, H, W] to features [N, 8 * width]."""
        x = x.flatten(2, 3) if x.ndim == 5 else x  # several spectrograms stand below each other
        return self._staged(self.maxpool(F.relu(self.bn1(self.conv1(x)))))
