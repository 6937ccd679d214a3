"""Patches of clips and spectrograms: how they are cut, where they lie, and which of them are left in.

Source: He et al., "Masked autoencoders are scalable vision learners", and Huang et al., "Masked autoencoders that
listen" (references [32] and [33] of the GMF paper). Both are of two axes; here there are three, time among them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Longest wave of a position, in patches and turns.
_LONGEST = 10_000


def patchify(x: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """Cut [N, C, T, H, W] into patches [N, L, C*t*h*w], row by row and frame by frame.

    Args:
        x: pictures or spectrograms; T, H and W are multiples of the patch.
        patch: t, h and w.
    """
    for axis, size in zip((2, 4, 6), patch, strict=True):
        x = torch.unflatten(x, axis, (-1, size))
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)


def positions(grid: tuple[int, int, int], width: int) -> Tensor:
    """Return fixed sines and cosines of where each patch lies, [L, width].

    Axes with more than one patch share the features evenly; what is left over is 0.

    Args:
        grid: patches along each axis.
        width: features of a token.
    """
    axes = [axis for axis, count in enumerate(grid) if count > 1] or [2]
    waves = width // (2 * len(axes))
    frequencies = _LONGEST ** (-torch.arange(waves) / waves)
    places = torch.stack(torch.meshgrid(*map(torch.arange, grid), indexing="ij"), -1).flatten(0, 2)
    angles = torch.stack([places[:, axis] for axis in axes], 1)[..., None] * frequencies
    table = torch.cat((angles.sin(), angles.cos()), -1).flatten(1)
    return F.pad(table, (0, width - table.shape[1]))


def draw_kept(like: Tensor, masked: int) -> Tensor:
    """Draw which patches are left in, with PyTorch's generator: int64 [N, L - masked], in random order.

    Args:
        like: patches [N, L, P] of the same batch.
        masked: how many of the L are taken out of every sample.
    """
    order = torch.rand(like.shape[:2], device=like.device).argsort(1)
    return order[:, : like.shape[1] - masked]


def taken(tokens: Tensor, kept: Tensor) -> Tensor:
    """Return the tokens [N, K, D] of [N, L, D] that are kept."""
    return tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[2]))


def initialise(module: nn.Module) -> None:
    """Initialise linear layers as MAE does: by Glorot's rule, without bias."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
