"""Times a training step of RefineNet-50 with two streams, stacked, against a plain implementation stream by stream.

The plain one runs the same modules with the same weights on one tensor per stream: every shared convolution is called
M times instead of once on the stacked batch, in PyTorch's usual memory format. A step is forward, loss and backward at
128x160. The two take turns; reported are medians of wall time and the median of the ratios turn by turn. Run it with
``python -m benchmarks.training_step`` on a quiet machine.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks._record import keep, processor
from crosswire.training.models import Decisions, SegmentationNetwork
from crosswire.training.models.exchange import exchange
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.losses import task_loss
from crosswire.training.tasks.segmentation.network import build_network

SIZE = (128, 160)
CLASSES = 40


def plain_norm(norm: Any, streams: Sequence[Tensor]) -> list[Tensor]:
    """Normalise and exchange one tensor per stream."""
    normed = [private(x) for private, x in zip(norm.norms, streams, strict=True)]
    return exchange(normed, norm.masks()) if norm.exchanges else normed


def plain_block(block: Any, streams: Sequence[Tensor]) -> list[Tensor]:
    """Run a bottleneck on one tensor per stream."""
    ys = [F.relu(y) for y in plain_norm(block.bn1, [block.conv1(x) for x in streams])]
    ys = [F.relu(y) for y in plain_norm(block.bn2, [block.conv2(y) for y in ys])]
    ys = plain_norm(block.bn3, [block.conv3(y) for y in ys])
    skips = list(streams)
    if isinstance(block.downsample, torch.nn.Sequential):
        conv, norm = block.downsample
        skips = plain_norm(norm, [conv(x) for x in streams])
    return [F.relu(y + skip) for y, skip in zip(ys, skips, strict=True)]


def plain_forward(network: Any, inputs: Sequence[Tensor]) -> Decisions:
    """Run a network on one tensor per stream, from its inputs to its decisions."""
    encoder, channels = network.encoder, network.stack.out_channels
    xs = [encoder.conv1(x.repeat(1, channels // x.shape[1], 1, 1)) for x in inputs]
    xs = [encoder.maxpool(F.relu(x)) for x in plain_norm(encoder.bn1, xs)]
    levels: list[list[Tensor]] = []
    for stage in encoder.stages:
        for block in stage:
            xs = plain_block(block, xs)
        levels.append(xs)
    logits = torch.cat([network.decoder(tuple(own)) for own in zip(*levels, strict=True)])
    return Decisions(network.ensemble(logits), logits)


def step(network: SegmentationNetwork, inputs: Sequence[Tensor], labels: Tensor, *, plain: bool) -> float:
    """Run forward, loss and backward once, and return its seconds."""
    network.zero_grad(set_to_none=True)
    start = time.perf_counter()
    decisions = plain_forward(network, inputs) if plain else network(*inputs)
    task_loss(decisions, labels).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="a training step, streams stacked against one by one")
    parser.add_argument("--turns", type=int, default=7, help="counted turns of each (default 7)")
    parser.add_argument("--batch", type=int, default=2, help="pictures per step (default 2)")
    options = parser.parse_args()
    torch.manual_seed(0)
    plain = build_network(NetworkConfig(name="refinenet50", classes=CLASSES)).train()
    stacked = copy.deepcopy(plain)
    stacked.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = [torch.randn(options.batch, channels, *SIZE) for channels in (3, 1)]
    labels = torch.randint(0, CLASSES, (options.batch, *SIZE))
    with torch.no_grad():
        reference = plain.eval()(*inputs).ensemble
        torch.testing.assert_close(plain_forward(plain, inputs).ensemble, reference, rtol=1e-3, atol=1e-3)
    plain.train()
    times: dict[str, list[float]] = {"stacked": [], "plain": []}
    for turn in range(options.turns + 1):
        pair = {
            "stacked": step(stacked, inputs, labels, plain=False),
            "plain": step(plain, inputs, labels, plain=True),
        }
        for name, seconds in pair.items():
            if turn:
                times[name].append(seconds)
    ratios = [p / s for p, s in zip(times["plain"], times["stacked"], strict=True)]
    figures = {f"{name}_s": round(statistics.median(values), 3) for name, values in times.items()}
    figures["plain_over_stacked"] = round(statistics.median(ratios), 3)
    print(f"{processor()}, {torch.get_num_threads()} threads, RefineNet-50, M = 2, 128x160, batch {options.batch}")
    for name, value in figures.items():
        print(f"  {name:20} {value:8.3f}")
    keep("training_step", {"threads": torch.get_num_threads(), **figures})


if __name__ == "__main__":
    main()
