"""Counting what a network costs, without allocating it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from crosswire.training.modalities import MODALITIES
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.network import build_network

Build = Callable[[Any], nn.Module]


def parameters(module: nn.Module) -> int:
    """Return the number of parameters of a module, each counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_parameters(config: Any, build: Build = build_network) -> int:
    """Return the number of parameters of the network that `build` makes from a configuration."""
    with torch.device("meta"):
        return parameters(build(config))


def count_macs(
    config: Any,
    size: tuple[int, int],
    build: Build = build_network,
    shapes: Callable[[Any, tuple[int, int]], Sequence[tuple[int, ...]]] | None = None,
) -> int:
    """Return the multiply-accumulates of convolutions and matrix products for one sample of a size (H, W).

    Args:
        config: of the network.
        size: of its pictures.
        build: makes the network.
        shapes: returns the shape of every input for one sample; those of `stream_shapes` where it is left out.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build(config).eval()
        network(*(torch.empty(shape) for shape in (shapes or stream_shapes)(config, size)))
    return int(counter.get_total_flops()) // 2


def stream_shapes(config: NetworkConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every stream of a segmentation network, [1, C, H, W]."""
    return [(1, MODALITIES[name].channels, *size) for name in config.streams]


def with_streams(config: NetworkConfig, streams: int) -> NetworkConfig:
    """Return a configuration with a number of streams: colour first, then depth, as often as it takes."""
    return dataclasses.replace(config, streams=("rgb", *["depth"] * (streams - 1)))
