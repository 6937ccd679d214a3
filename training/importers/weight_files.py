"""Checkpoints of the official CEN code, read without running any code in them, refused by the names of their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crosswire.contract.errors import CrosswireError
from crosswire.training.config import RunConfig
from crosswire.training.engine.run_folder import RunOf, write_weights
from crosswire.training.tasks.registry import network_family_of

_SHOWN = 10


class CheckpointError(CrosswireError, ValueError):
    """A checkpoint that cannot be imported; the message says what came and what is allowed."""


def shortened(names: Iterable[str], shown: int = 4) -> str:
    """Return the first few of some names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """Read the state dict of an official checkpoint without running any code that it may hold.

    Returns:
        Tensors by the names in the file.

    Raises:
        CheckpointError: no checkpoint, or one that holds more than tensors and numbers.
        FileNotFoundError: there is no such file.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    try:
        # The official code stores its best score as a numpy number.
        with torch.serialization.safe_globals(_numpy_numbers()):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        reason = str(error).strip().splitlines() or [type(error).__name__]
        found = next((line.strip() for line in reason if "GLOBAL" in line or "Unsupported" in line), reason[0])
        raise CheckpointError(
            f"{file} is refused: it is no checkpoint that holds tensors, numbers and texts alone ({found}); "
            "give a file that torch.load reads with weights_only=True"
        ) from error
    state = content.get("segmenter", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            f"{file} holds no state dict: {_describe(content)}; give a dict with a `segmenter` entry, or a state dict"
        )
    if strangers := [str(key) for key, value in state.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{file}: the state dict holds {_listed('entries that are no tensors', strangers)}")
    return {str(key): value for key, value in state.items()}


def _numpy_numbers() -> list[Any]:
    """Return what a pickled numpy number is made of, under its names in numpy 1 and 2."""
    scalar = np.core.multiarray.scalar  # type: ignore[attr-defined]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return [*names, np.dtype, *(type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8"))]


def _describe(content: Any) -> str:
    """Say what a file holds."""
    if isinstance(content, dict):
        return f"a dict of {', '.join(map(str, list(content)[:_SHOWN])) or 'nothing'}"
    return f"a {type(content).__name__}"


def renamed(
    official: Mapping[str, Tensor], shapes: dict[str, Tensor], official_name: Callable[[str], str]
) -> dict[str, Tensor]:
    """Give official tensors our names, after a check that they are all there, no more, of the right shape and finite.

    Args:
        official: tensors by official name.
        shapes: our state dict; only its keys and shapes matter.
        official_name: returns the official name of one of our keys.

    Raises:
        CheckpointError: says what does not fit.
    """
    names = {key: official_name(key) for key in shapes}
    expected = set(names.values())
    faults = [
        _listed("missing keys", sorted(expected - official.keys())),
        _listed("unknown keys", sorted(official.keys() - expected)),
        _listed(
            "keys of another shape",
            [
                f"{name} {tuple(official[name].shape)} instead of {tuple(shapes[key].shape)}"
                for key, name in names.items()
                if name in official and official[name].shape != shapes[key].shape
            ],
        ),
        _listed(
            "keys with values that are not finite numbers",
            [
                name
                for name in expected & official.keys()
                if official[name].is_complex() or not official[name].isfinite().all()
            ],
        ),
    ]
    if text := "; ".join(fault for fault in faults if fault):
        raise CheckpointError(text)
    return {key: official[name] for key, name in names.items()}


def _listed(title: str, names: Iterable[str]) -> str:
    """Count names and show the first of them; nothing for no names."""
    names = list(names)
    return f"{len(names)} {title}: {shortened(names, _SHOWN)}" if names else ""


def write_imported(
    file: Path, folder: Path, config: RunConfig, official: Mapping[str, Tensor], key: Callable[[str], str]
) -> RunOf[Any, Any]:
    """Build the network of a configuration with official weights, and write these into a run folder.

    Args:
        file: the checkpoint, for messages.
        folder: the run folder.
        config: of the run.
        official: tensors by their official names.
        key: returns the official name of one of the network's tensors.

    Raises:
        CheckpointError: the tensors are not those of the network.
    """
    network = network_family_of(config).build_network(config.network)
    try:
        network.load_state_dict(renamed(official, network.state_dict(), key))
    except CheckpointError as error:
        raise CheckpointError(f"{file} does not fit {config.network.name}: {error}") from None
    write_weights(folder, network.state_dict())
    return RunOf(folder, config, network.eval())
