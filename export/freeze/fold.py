"""Arithmetic on weights: a norm folded into the convolution before it, filters pruned, inputs permuted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crosswire.contract.errors import CrosswireError

Conv = nn.Conv2d | nn.ConvTranspose2d
Norm = nn.BatchNorm2d | nn.InstanceNorm2d


class FreezeError(CrosswireError, ValueError):
    """The network holds something that the pass does not know; the message names it."""


def folded_conv(conv: Conv, norm: Norm | None, position: Sequence[int] | None, computed: Sequence[int] | None) -> Conv:
    """Return one convolution that does the work of several steps.

    Args:
        conv: the live convolution, plain or transposed, with one group; or a depth-wise one, see `is_depthwise`.
        norm: the norm behind it, with its running statistics, or None.
        position: per live input channel its place in the tensor that comes in, or None where nothing moved. Places
            may repeat: a tiled channel is read once, with the sum of the weights of its tiles. A depth-wise convolution
            takes none: its input brings exactly the channels of `computed`, in their order.
        computed: the filters to keep, in their new order, or None for all.

    Raises:
        FreezeError: a grouped convolution, or weights that are not finite.
    """
    if conv.groups != 1 and not is_depthwise(conv):
        raise FreezeError(
            f"a convolution with {conv.groups} groups cannot be frozen; only plain and depth-wise ones can"
        )
    weight, bias = _turned(conv, conv.weight.detach().double()), _bias(conv)
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
        raise FreezeError("the weights are not finite (NaN or infinity): this run diverged, train it again")
    return _conv(conv, weight.float(), bias.float() if norm is not None or conv.bias is not None else None)


def is_depthwise(conv: Conv) -> bool:
    """Say whether every channel has a filter to itself and none sees another channel."""
    return isinstance(conv, nn.Conv2d) and 1 < conv.groups == conv.in_channels == conv.out_channels


def own_norm(norm: nn.InstanceNorm2d, computed: Sequence[int]) -> nn.InstanceNorm2d:
    """Return an instance norm of some channels that normalises with every image's own statistics."""
    pruned = nn.InstanceNorm2d(len(computed), norm.eps, affine=True, track_running_stats=False)
    pruned.weight = nn.Parameter(norm.weight.detach()[list(computed)].clone(), requires_grad=False)
    pruned.bias = nn.Parameter(norm.bias.detach()[list(computed)].clone(), requires_grad=False)
    return pruned


def _turned(conv: Conv, weight: Tensor) -> Tensor:
    """Exchange input and output channels of a weight where the convolution is transposed."""
    return weight.transpose(0, 1) if isinstance(conv, nn.ConvTranspose2d) else weight


def _bias(conv: Conv) -> Tensor:
    """Return the bias of a convolution, zeros where it has none."""
    return torch.zeros(conv.out_channels).double() if conv.bias is None else conv.bias.detach().double()


def _conv(like: Conv, weight: Tensor, bias: Tensor | None) -> Conv:
    """Make a convolution with the geometry of another and given weights [out, in, h, w]; depth-wise [out, 1, h, w]."""
    groups = weight.shape[0] if like.groups > 1 else 1
    conv = type(like)(
        weight.shape[1] * groups,
        weight.shape[0],
        like.kernel_size,  # type: ignore[arg-type]
        like.stride,  # type: ignore[arg-type]
        like.padding,  # type: ignore[arg-type]
        dilation=like.dilation,  # type: ignore[arg-type]
        groups=groups,
        bias=bias is not None,
    )
    conv.weight = nn.Parameter(_turned(like, weight).contiguous(), requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias, requires_grad=False)
    return conv
