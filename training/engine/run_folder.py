"""The folder of one run: configuration, weights and scores, read and written together.

Files: `config.json`, `weights.pt` (a state dict), `metrics.json`, `train.log`; `last.ckpt`, `gammas.npz` and
`tensorboard/` while it trains; `report/`. Weights never go without their configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from crosswire.contract.atomic_write import atomic_path, write_json
from crosswire.contract.errors import CrosswireError
from crosswire.contract.plain import to_plain
from crosswire.training.config import ConfigError, RunConfig
from crosswire.training.models import SegmentationNetwork, exchanging_norms
from crosswire.training.tasks.registry import config_from_plain, network_family_of
from crosswire.training.tasks.segmentation.config import SegmentationConfig

CONFIG = "config.json"
WEIGHTS = "weights.pt"
METRICS = "metrics.json"

Config = TypeVar("Config")
Network = TypeVar("Network")


class RunError(CrosswireError, ValueError):
    """A run folder that cannot be read; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class RunOf(Generic[Config, Network]):
    """A trained network with the configuration that it was trained with.

    Attributes:
        folder: where it was read from.
        config: the whole run.
        network: in evaluation mode, on the CPU.
    """

    folder: Path
    config: Config
    network: Network


Run: TypeAlias = RunOf[SegmentationConfig, SegmentationNetwork]
"""A run of segmentation."""


def write_config(folder: Path, config: RunConfig) -> None:
    """Write the configuration into a run folder, making the folder."""
    write_json(folder / CONFIG, to_plain(config))


def read_config(folder: Path) -> RunConfig:
    """Read the configuration of a run folder, of whatever task.

    Raises:
        RunError: there is none, or it cannot be used.
    """
    try:
        return config_from_plain(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RunError(f"{folder} is no run folder: it holds no {CONFIG}; train one with: crosswire train") from None
    except (ConfigError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{folder / CONFIG}: {error}") from error


def write_weights(folder: Path, state: dict[str, Tensor]) -> None:
    """Write a network's state dict into a run folder, all of it or nothing."""
    with atomic_path(folder / WEIGHTS) as temporary:
        torch.save(state, temporary)


def read_run(folder: Path) -> RunOf[Any, Any]:
    """Rebuild the network of a run folder, of whatever task, and load its weights strictly.

    Raises:
        RunError: a file is missing or does not fit the configuration.
    """
    config = read_config(folder)
    network = network_family_of(config).build_network(config.network)
    try:
        state = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except FileNotFoundError:
        raise RunError(f"{folder} holds no {WEIGHTS} yet; finish the run with: crosswire train --resume") from None
    except Exception as error:  # a pickle can fail in any way
        raise RunError(f"{folder / WEIGHTS} cannot be loaded: {error}") from error
    if names := non_finite(state):
        raise RunError(
            f"{folder / WEIGHTS} holds {len(names)} of {len(state)} tensors that are not finite, for example "
            f"{names[0]}: the training diverged; train again with smaller learning rates"
        )
    return RunOf(folder, config, network.eval())


def non_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold infinite values or none."""
    return [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]


def write_metrics(folder: Path, metrics: dict[str, Any], *, of: str = "") -> None:
    """Write scores and exchange into a run folder, as `metrics.json`, or `metrics.OF.json` on other data."""
    write_json(folder / (f"metrics.{of}.json" if of else METRICS), metrics)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the scores of a run folder; empty where it was never evaluated.

    Raises:
        RunError: they are not JSON.
    """
    path = folder / METRICS
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {error}; remove it and score the run again: crosswire evaluate {folder}") from error
    return metrics


def exchange_lines(metrics: dict[str, Any], width: int) -> list[str]:
    """Return the exchanged share of scored metrics, over all and per layer, in lines; none where nothing exchanges.

    Args:
        metrics: with `exchanged_share` and `exchange`, see `exchange_to_plain`.
        width: of the names of layers.
    """
    if not metrics["exchange"]:
        return []
    lines = ["", f"exchanged: {metrics['exchanged_share']:.1%} of the penalised channels"]
    for layer in metrics["exchange"]:
        counts = "  ".join(f"{e}/{p}" for e, p in zip(layer["exchanged"], layer["penalised"], strict=True))
        lines.append(f"  {layer['layer']:{width}} {counts}")
    return lines


def exchange_to_plain(network: nn.Module) -> list[dict[str, Any]]:
    """Return per exchanging layer how many channels each stream may exchange and does exchange."""
    return [
        {
            "layer": name,
            "channels": norm.channels,
            "penalised": norm.candidates(),
            "exchanged": [int(mask.sum()) for mask in norm.masks()],
        }
        for name, norm in exchanging_norms(network).items()
    ]
