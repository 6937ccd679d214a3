"""Fusion by alignment: each stream's common features are drawn towards those of the others while it trains.

Source: the CEN supplement, section 2 (a multi-kernel MMD with 11 kernels), after the split into common and
specific features that it names. Sizes in the CEN journal paper, Table 2 are 10C²: a 3x3 and a 1x1 convolution.
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNELS = 11
#: Bins per side of an image; each bin's mean is one sample of the feature distribution.
BINS = 4


def multi_kernel_mmd(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy of two samples, summed over 11 Gaussian kernels.

    The kernels are exp(-d² / (2^k s)), k = -5..5, with the median s of all squared distances d², so scaling both
    samples changes nothing. It is the biased estimate, which is never negative.

    Args:
        x: sample of one distribution, float [A, C].
        y: sample of the other, float [B, C].

    Returns:
        float scalar, 0 for the same sample twice.
    """
    points = torch.cat([x, y])
    points = points - points.detach().mean(0)  # distances stay, their rounding errors shrink
    squares = points.square().sum(1)
    distances = (squares[:, None] + squares[None] - 2 * points @ points.T).clamp_min(0)
    median = distances.detach().median().clamp_min(1e-12)
    exponents = torch.arange(KERNELS, device=x.device) - KERNELS // 2
    scales = median * 2.0**exponents
    similar = torch.exp(-distances[..., None] / scales).sum(2)
    sign = torch.cat([torch.full((len(x),), 1 / len(x)), torch.full((len(y),), -1 / len(y))]).to(similar)
    return sign @ similar @ sign


class AlignStreams(nn.Module):
    """Common features of every stream, aligned while it trains, plus features of its own.

    Both projections are shared by the streams, and no stream sees another: only the loss connects them. The common one
    begins small beside the specific one, which begins as the identity.

    Args:
        channels: C.
        streams: M.

    Attributes:
        auxiliary: after a forward pass in training mode the discrepancy of the streams' common features, averaged over
            pairs of streams, until `take_auxiliary`; None otherwise.
    """

    auxiliary: Tensor | None

    def __init__(self, channels: int, streams: int) -> None:
        super().__init__()
        self.streams = streams
        self.common = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.specific = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.dirac_(self.specific.weight)
        self.auxiliary = None

    def single(self, stream: int) -> AlignStreams:
        """Return the projections for one stream alone, which has nothing to be aligned with."""
        alone = AlignStreams(self.common.in_channels, 1)
        alone.common, alone.specific = self.common, self.specific
        return alone

    def forward(self, stacked: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to the same shape."""
        common = self.common(stacked)
        if self.training and self.streams > 1:
            self.auxiliary = self.discrepancy(common)
        return common + self.specific(stacked)  # type: ignore[no-any-return]

    def discrepancy(self, stacked: Tensor) -> Tensor:
        """Return the multi-kernel MMD of stacked features [M*N, C, H, W], averaged over pairs of streams."""
        with torch.autocast(stacked.device.type, enabled=False):
            bins = F.adaptive_avg_pool2d(stacked.float(), BINS).permute(0, 2, 3, 1).flatten(1, 2)
            samples = torch.unflatten(bins, 0, (self.streams, -1)).flatten(1, 2)
            pairs = list(combinations(range(self.streams), 2))
            terms = [multi_kernel_mmd(samples[one], samples[other]) for one, other in pairs]
            return torch.stack(terms).mean()


def take_auxiliary(network: nn.Module) -> Tensor | None:
    """Return the sum of the discrepancies of a network's last forward pass, once; None where there is none."""
    terms = []
    for module in network.modules():
        if isinstance(module, AlignStreams) and module.auxiliary is not None:
            terms.append(module.auxiliary)
            module.auxiliary = None
    return torch.stack(terms).sum() if terms else None
