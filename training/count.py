"""Counting what a network costs, without allocating it."""

from __future__ import annotations

import dataclasses

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.config import NetworkConfig
from training.modalities import MODALITIES
from training.models import build_network


def count_parameters(config: NetworkConfig) -> int:
    """Return the number of parameters of a network."""
    with torch.device("meta"):
        return sum(p.numel() for p in build_network(config).parameters())


def count_macs(config: NetworkConfig, size: tuple[int, int]) -> int:
    """Return the multiply-accumulates of convolutions and matrix products for one sample of a size (H, W)."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build_network(config).eval()
        network(*(torch.empty(1, MODALITIES[name].channels, *size) for name in config.streams))
    return int(counter.get_total_flops()) // 2


def with_streams(config: NetworkConfig, streams: int) -> NetworkConfig:
    """Return a configuration with a number of streams: colour first, then depth, as often as it takes."""
    return dataclasses.replace(config, streams=("rgb", *["depth"] * (streams - 1)))
