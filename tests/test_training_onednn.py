"""Narrow strided convolutions train on any processor: oneDNN writes beside the gradient of their weights."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from training.config import TrainConfig
from training.data import eval_loader, frames
from training.onednn import keep_narrow_strides_plain
from training.overrides import override
from training.task import SegmentationTask

#: A batch, channels in, height, width and channels out that go wrong with AVX-512 on two threads, and with AVX2.
SHAPES = ((3, 8, 12, 16, 16), (8, 4, 48, 64, 8))
PROGRAM = """
import torch
from tests.test_training_onednn import SHAPES, gradients
for threads in (1, 2):
    torch.set_num_threads(threads)
    for shape in 20 * SHAPES:
        (weights, pixels), (true_weights, true_pixels) = gradients(shape)
        torch.testing.assert_close(weights, true_weights, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(pixels, true_pixels, rtol=1e-3, atol=1e-3)
"""


def gradients(shape: tuple[int, int, int, int, int]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the gradients of weights and input of a convolution, and what they should be."""
    batch, channels, height, width, out = shape
    network = nn.Sequential(nn.Conv2d(channels, out, 1, 2, bias=False)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_narrow_strides_plain(network)
    x = torch.randn(batch, channels, height, width).to(memory_format=torch.channels_last).requires_grad_()
    y = network(x)
    slope = torch.randn_like(y)
    y.backward(slope)
    weight = network[0].weight
    assert weight.grad is not None and x.grad is not None
    seen = x.detach()[:, :, ::2, ::2].flatten(2)
    pixels = torch.zeros_like(x)
    pixels[:, :, ::2, ::2] = torch.einsum("nohw,oi->nihw", slope, weight.detach().flatten(1))
    return [weight.grad.flatten(1), x.grad], [torch.einsum("nop,nip->oi", slope.flatten(2), seen), pixels]


def test_gradients_are_right_and_the_process_lives() -> None:
    process = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr


def test_a_narrow_network_trains_with_plain_strides_and_the_rest_as_the_runtime_says(tiny: TrainConfig) -> None:
    task = SegmentationTask(override(tiny, ["network.name=cen-lite-s", "runtime.channels_last=true"]))
    layouts: dict[str, bool] = {}
    for name, conv in task.network.named_modules():
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (1, 1) and conv.stride == (2, 2):
            conv.register_forward_hook(
                lambda _, inputs, __, name=name: layouts.update({name: inputs[0].is_contiguous()})
            )
    task.batch_loss(next(iter(eval_loader(tiny, frames(tiny.data, "val")))))
    assert set(layouts.values()) == {True, False}  # of 8 channels, and of more
