"""Narrow strided convolutions train on any processor: oneDNN writes beside the gradient of their weights."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from crosswire.training.overrides import override
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.data import eval_loader, frames
from crosswire.training.tasks.segmentation.module import SegmentationTask
from crosswire.training.tasks.segmentation.network import build_network
from tests.support.paths import ROOT


def test_gradients_are_right_and_the_process_lives() -> None:
    words = [sys.executable, "-m", "tests.support.training.narrow_strides"]
    process = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert process.returncode == 0, process.stderr


def test_a_network_by_itself_learns_with_plain_strides_and_computes_its_graph_as_it_comes() -> None:
    network = build_network(NetworkConfig(name="cen-lite-s", classes=3, width=4)).train()
    seen: list[bool] = []
    for conv in network.modules():
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (1, 1) and conv.stride == (2, 2):
            conv.register_forward_hook(lambda conv, inputs, _: seen.append(inputs[0].is_contiguous()))
    pictures = torch.randn(2, 3, 48, 64), torch.randn(2, 1, 48, 64)
    network(*pictures)
    learning, seen[:] = [*seen], []
    with torch.no_grad():
        network(*pictures)
    assert any(learning) and sum(seen) < sum(learning)
    program = torch.export.export(network.eval(), pictures)
    assert "aten.copy_" not in str(program.graph)


def test_a_narrow_network_trains_with_plain_strides_and_the_rest_as_the_runtime_says(tiny: SegmentationConfig) -> None:
    task = SegmentationTask(override(tiny, ["network.name=cen-lite-s", "runtime.channels_last=true"]))
    layouts: dict[str, bool] = {}
    for name, conv in task.network.named_modules():
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (1, 1) and conv.stride == (2, 2):
            conv.register_forward_hook(
                lambda _, inputs, __, name=name: layouts.update({name: inputs[0].is_contiguous()})
            )
    task.batch_loss(next(iter(eval_loader(tiny, frames(tiny.data, "val")))))
    assert set(layouts.values()) == {True, False}  # of 8 channels, and of more
