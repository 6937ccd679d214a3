"""What oneDNN computes wrongly, and how a network is kept from it while it trains on a processor.

oneDNN 3.12, as in PyTorch 2.13: the gradient of the weights of a strided 1x1 convolution whose input lies pixel by
pixel and has fewer channels than its kernels take at once, 8 with AVX2 and 16 with AVX-512, is written beside its
memory. The process dies, hangs or computes wrong gradients, most often on several threads
(https://github.com/uxlfoundation/oneDNN/issues/6035). Input and weights that lie channel by channel are right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Channels from which on no processor is affected.
BLOCK = 16


def keep_narrow_strides_plain(network: nn.Module) -> None:
    """Let the affected convolutions of a network compute channel by channel, in place and for good.

    Args:
        network: in the layout that it trains in; one that is laid out anew has to come here again.

    A graph that is exported is not changed by it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and _affected(module):
            module.weight.data = _plain(module.weight.data)
            if _lay_plain not in module._forward_pre_hooks.values():
                module.register_forward_pre_hook(_lay_plain)


def _affected(conv: nn.Conv2d) -> bool:
    """Return whether the gradient of a convolution may be written beside its memory."""
    return conv.kernel_size == (1, 1) and conv.stride != (1, 1) and conv.in_channels // conv.groups < BLOCK


def _plain(x: Tensor) -> Tensor:
    """Return a copy that lies channel by channel, with strides that say so where only one pixel or channel is."""
    return torch.empty(x.shape, dtype=x.dtype, device=x.device).copy_(x)


def _lay_plain(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    """Change the layout of an input where a gradient will be asked for."""
    (x,) = inputs
    learning = torch.is_grad_enabled() and not torch.compiler.is_exporting()
    return (_plain(x),) if learning and x.device.type == "cpu" else None
