"""Narrow strided convolutions train on any processor: oneDNN writes beside the gradient of their weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from torch import nn

from training.config import TrainConfig
from training.data import eval_loader, frames
from training.overrides import override
from training.task import SegmentationTask

ROOT = Path(__file__).resolve().parent.parent


def test_gradients_are_right_and_the_process_lives() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.narrow_strides"], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
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
