"""The 70x70 patch discriminator of pix2pix, which judges an image together with the input it was made from."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from crosswire.training.models.translation.norms import InstanceNorm
from crosswire.training.models.translation.unet import SLOPE, initialise


class PatchDiscriminator(nn.Module):
    """Five 4x4 convolutions, of stride 2 but for the last two, with instance norms behind the middle three.

    Args:
        channels: of input and image together.
        width: channels of the first layer; 64 in the papers.
        unused_norms: hold the two norms that the official code makes and never calls.
    """

    def __init__(self, channels: int = 6, width: int = 64, *, unused_norms: bool = False) -> None:
        super().__init__()
        sizes = (channels, width, 2 * width, 4 * width, 8 * width, 1)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            if index:
                layers.append(nn.LeakyReLU(SLOPE))
            layers.append(nn.Conv2d(before, after, 4, 2 if index < 3 else 1, 1))
            if 0 < index < 4:
                layers.append(InstanceNorm(after))
        self.layers = nn.Sequential(*layers)
        self.unused = nn.ModuleList([InstanceNorm(width), InstanceNorm(1)] if unused_norms else [])
        self.apply(initialise)

    def forward(self, given: Tensor, image: Tensor) -> Tensor:
        """Judge every patch of an image.

        Args:
            given: the input [N, 3, H, W].
            image: true or made from it [N, 3, H, W].

        Returns:
            logits [N, 1, H/8 - 2, W/8 - 2], positive where a patch looks true.
        """
        judged: Tensor = self.layers(torch.cat([given, image], 1))
        return judged
