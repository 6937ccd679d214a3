"""`python -m tests.support.training.narrow_strides`: gradients that oneDNN computes wrongly, or dies of."""

from __future__ import annotations

import torch
from torch import nn

from crosswire.training.models.onednn import keep_narrow_strides_plain

#: A batch, channels in, height, width and channels out that go wrong with AVX-512 on two threads, and with AVX2.
SHAPES = ((3, 8, 12, 16, 16), (8, 4, 48, 64, 8))


def compare(batch: int, channels: int, height: int, width: int, out: int) -> None:
    """Fail unless the gradients of weights and input of a convolution are those of a matrix product."""
    network = nn.Sequential(nn.Conv2d(channels, out, 1, 2, bias=False)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_narrow_strides_plain(network)
    x = torch.randn(batch, channels, height, width).to(memory_format=torch.channels_last).requires_grad_()
    y = network(x)
    slope = torch.randn_like(y)
    y.backward(slope)
    weight = network[0].weight
    seen = x.detach()[:, :, ::2, ::2].flatten(2)
    pixels = torch.zeros_like(x)
    pixels[:, :, ::2, ::2] = torch.einsum("nohw,oi->nihw", slope, weight.detach().flatten(1))
    torch.testing.assert_close(x.grad, pixels, rtol=1e-3, atol=1e-3)
    weights = torch.einsum("nop,nip->oi", slope.flatten(2), seen)
    torch.testing.assert_close(weight.grad.flatten(1), weights, rtol=1e-3, atol=1e-3)


if __name__ == "__main__":
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for shape in 20 * SHAPES:
            compare(*shape)
