"""Beginning from the weights of another run: all that fits, but for layers that the number of classes sizes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from crosswire.training.config import ConfigError
from crosswire.training.engine.run_folder import Run, RunError, read_run
from crosswire.training.importers.weight_files import shortened
from crosswire.training.models import SegmentationNetwork
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.network import build_network


def run_to_begin_from(folder: Path) -> Run:
    """Read a run of segmentation to begin another one from.

    Raises:
        ConfigError: it is no run of segmentation, or cannot be read.
    """
    try:
        run = read_run(folder)
    except RunError as error:
        raise ConfigError(f"init: {error}") from error
    if not isinstance(run.config, SegmentationConfig):
        raise ConfigError(f"init: {folder} is no run of segmentation; give one that is, or leave init empty")
    return run


def load_run(network: SegmentationNetwork, config: NetworkConfig, folder: Path) -> list[str]:
    """Fill a network with the weights of a run, its exchange included.

    Args:
        network: changed in place, or not at all where the run does not fit.
        config: of that network.
        folder: of the run.

    Returns:
        names of the tensors that stay as they are, since the number of classes decides their size; empty where both
        networks tell the same number of classes apart.

    Raises:
        ConfigError: the run is of another network.
    """
    run = run_to_begin_from(folder)
    found, own = run.network.state_dict(), network.state_dict()
    with torch.device("meta"):
        expected = build_network(dataclasses.replace(config, classes=run.config.network.classes)).state_dict()
    faults = [key for key in {**found, **expected} if _shape(found, key) != _shape(expected, key)]
    if faults:
        raise ConfigError(
            f"init: {folder} holds a {run.config.network.name} that differs from this {config.name} in "
            f"{shortened(sorted(faults))}; train the same network, as crosswire train --init {folder} does"
        )
    sized = [key for key in own if own[key].shape != found[key].shape]
    network.load_state_dict({key: tensor for key, tensor in found.items() if key not in sized}, strict=False)
    return sized


def _shape(state: dict[str, torch.Tensor], key: str) -> torch.Size | None:
    """Return the shape of a tensor; None where there is none of that name."""
    return state[key].shape if key in state else None
