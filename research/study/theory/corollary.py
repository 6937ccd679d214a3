"""Corollary 1: a channel with γ = 0 can be replaced by anything once its share of the next convolution is in the bias.

Source: the CEN paper, Corollary 1 and its proof. The channel is the constant β, so that the next convolution
adds W * ReLU(β) to its output: a constant inside, and less of it where the kernel hangs over a zero-padded border.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from crosswire.training.models.exchange import ChannelExchange, PrivateNorm2d

CHANNELS, SIZE, _STREAMS = 8, 12, 2


def changes(seed: int) -> dict[str, float]:
    """Replace one channel with γ = 0 of the first of two streams, and move its share into the bias.

    Args:
        seed: of inputs and weights.

    Returns:
        the largest change of the next convolution's output, in standard deviations of it: `inside` and at the `border`
        of the first stream, and in the `other` stream where both share the convolution.
    """
    random = torch.Generator().manual_seed(seed)
    stacked = torch.randn(_STREAMS * 4, CHANNELS, SIZE, SIZE, generator=random)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=random)
    norm = _norm(random)
    with torch.no_grad():
        before = F.conv2d(F.relu(norm(stacked)), weight, padding=1)
        constant = F.relu(norm.norms[0].bias[0])  # type: ignore[index]
        norm.rule = ChannelExchange(CHANNELS, _STREAMS, threshold=0.0)
        replaced = F.relu(norm(stacked))
        bias = constant * weight[:, 0].sum((1, 2))
        emptied = weight.clone()
        emptied[:, 0] = 0
        after = F.conv2d(replaced, emptied, bias, padding=1)
        first, other = ((after - before).abs() / before.std()).chunk(_STREAMS)
    return {
        "inside": float(first[..., 1:-1, 1:-1].max()),
        "border": float(_border(first).max()),
        "other": float(other.max()),
    }


def _norm(random: torch.Generator) -> PrivateNorm2d:
    """Return the norms of two streams with random γ and β above 0, but for the γ of the first channel of the first."""
    norm = PrivateNorm2d(CHANNELS, _STREAMS)
    with torch.no_grad():
        for private in norm.norms:
            for parameter in private.parameters():
                parameter.copy_(torch.rand(CHANNELS, generator=random) + 0.5)
        norm.gammas[0][0] = 0
    return norm


def _border(images: Tensor) -> Tensor:
    """Return the outermost pixels of images [..., H, W] as one row."""
    rows = images[..., [0, -1], :].flatten()
    columns = images[..., :, [0, -1]].flatten()
    return torch.cat([rows, columns])
