"""Counting what a network costs, without allocating it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(module: nn.Module) -> int:
    """Return the number of parameters of a module, each counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_parameters(config: Any, build: Callable[[Any], nn.Module]) -> int:
    """Return the number of parameters of the network that `build` makes from a configuration."""
    with torch.device("meta"):
        return parameters(build(config))


def count_macs(
    config: Any,
    size: tuple[int, int],
    build: Callable[[Any], nn.Module],
    shapes: Callable[[Any, tuple[int, int]], Sequence[tuple[int, ...]]],
) -> int:
    """Return the multiply-accumulates of convolutions and matrix products for one sample of a size (H, W).

    Args:
        config: of the network.
        size: of its images.
        build: makes the network.
        shapes: returns the shape of every input for one sample.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build(config).eval()
        network(*(torch.empty(shape) for shape in shapes(config, size)))
    return int(counter.get_total_flops()) // 2
