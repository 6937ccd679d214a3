"""Arithmetic on weights: a batch norm folded into the convolution before it, filters pruned, inputs permuted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def folded_conv(
    conv: nn.Conv2d, norm: nn.BatchNorm2d | None, position: Sequence[int] | None, computed: Sequence[int] | None
) -> nn.Conv2d:
    """Return one convolution that does the work of several steps.

    Args:
        conv: the live convolution, with one group.
        norm: the batch norm behind it, with its running statistics, or None.
        position: per live input channel its place in the tensor that comes in, or None where nothing moved. Places
            may repeat: a tiled channel is read once, with the sum of the weights of its tiles.
        computed: the filters to keep, in their new order, or None for all.

    Raises:
        ValueError: a grouped convolution, or weights that are not finite.
    """
    if conv.groups != 1:
        raise ValueError(f"a convolution with {conv.groups} groups cannot be frozen; only plain ones can")
    weight, bias = conv.weight.detach().double(), _bias(conv)
    if norm is not None:
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = weight * scale.view(-1, 1, 1, 1)
        bias = norm.bias.detach().double() + (bias - norm.running_mean.double()) * scale
    if position is not None:
        index = torch.tensor(position)
        weight = (
            torch.zeros(weight.shape[0], int(index.max()) + 1, *weight.shape[2:]).double().index_add(1, index, weight)
        )
    if computed is not None:
        weight, bias = weight[list(computed)], bias[list(computed)]
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise ValueError("the weights are not finite (NaN or infinity): this run diverged, train it again")
    return _conv(conv, weight.float(), bias.float() if norm is not None or conv.bias is not None else None)


def _bias(conv: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution, zeros where it has none."""
    return torch.zeros(conv.out_channels).double() if conv.bias is None else conv.bias.detach().double()


def _conv(like: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Make a convolution with the geometry of another and given weights."""
    conv = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        like.kernel_size,  # type: ignore[arg-type]
        like.stride,  # type: ignore[arg-type]
        like.padding,  # type: ignore[arg-type]
        like.dilation,  # type: ignore[arg-type]
        bias=bias is not None,
    )
    conv.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias, requires_grad=False)
    return conv
