"""Reading segmentation checkpoints of the official CEN code (yikaiw/CEN, `semantic_segmentation/`) into run folders.

The run keeps the official semantics: two streams, a channel is replaced wherever |γ| < θ = 0.02 on either side, every
norm normalises with its own running statistics, α is the soft-max of a free vector, depth enters in metres (the code
divides its 1/5000 m pictures by 5000) and is repeated over three channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.config import DataConfig, NetworkConfig, TrainConfig
from training.evaluate import report
from training.models import build_network
from training.official_keys import official_key
from training.overrides import override
from training.run_folder import CONFIG, Run, write_config, write_weights

#: Network -> blocks of its third stage, which tell the depths apart.
NETWORKS = {"refinenet50": 6, "refinenet101": 23, "refinenet152": 36}
STREAMS = ("rgb", "depth")
#: |γ| <= this exactly where a float32 |γ| < 0.02, which is how the official code compares.
THRESHOLD = float(np.nextafter(np.float32(2e-2), np.float32(0)))
_SHOWN = 10


class CheckpointError(ValueError):
    """A checkpoint that cannot be imported; the message says what came and what is allowed."""


def import_cen(file: Path, network: str, folder: Path, assignments: Sequence[str] = ()) -> Run:
    """Turn an official checkpoint into a run folder.

    Args:
        file: a `.pth.tar`: a dict whose `segmenter` is a state dict, or a bare state dict.
        network: one of `NETWORKS`.
        folder: the run folder to write, which must not hold a run yet.
        assignments: changes of the configuration, for example `data.name=nyuv2`, see `training.config.override`.

    Returns:
        The run that was written.

    Raises:
        CheckpointError: an unknown network, a folder in use, or a checkpoint that is not of this network.
        ConfigError: an assignment that cannot be used.
        OSError: a file that cannot be read or written.
    """
    if network not in NETWORKS:
        raise CheckpointError(f"network {network!r} is unknown; allowed are {', '.join(NETWORKS)}")
    if (folder / CONFIG).exists():
        raise CheckpointError(f"{folder} already holds a run; choose another folder with --out")
    official = read_checkpoint(file)
    # Data parallelism puts `module.` in front of every key.
    prefix = "module." if all(key.startswith("module.") for key in official) else ""
    _check_network({key.removeprefix(prefix) for key in official}, network)
    head = official.get(f"{prefix}clf_conv.module.weight")
    config = override(official_config(network, _classes(head)), assignments)
    with torch.device("meta"):
        shapes = build_network(config.network).state_dict()
    try:
        state = renamed(official, shapes, lambda key: prefix + official_key(key))
    except CheckpointError as error:
        raise CheckpointError(f"{file} does not fit {network}: {error}") from None
    model = build_network(config.network)
    model.load_state_dict(state)
    run = Run(folder, config, model.eval())
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, model.state_dict())
    if config.data.name == "none":
        report(run, {})
    write_config(folder, config)
    return run


def official_config(network: str, classes: int) -> TrainConfig:
    """Return the configuration of a network that the official code has trained."""
    return TrainConfig(
        preset="import-cen",
        network=NetworkConfig(
            name=network,
            streams=STREAMS,
            classes=classes,
            threshold=THRESHOLD,
            restrict=False,
            depth_mean=0.0,
            depth_std=1.0,
        ),
        data=DataConfig(name="none", classes=tuple(f"class {index}" for index in range(classes))),
        steps=0,
    )


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


def _check_network(keys: set[str], network: str) -> None:
    """Refuse a checkpoint of another depth or another number of streams, by name."""
    blocks = len({key.split(".")[1] for key in keys if key.startswith("layer3.")})
    found = next((name for name, count in NETWORKS.items() if count == blocks), None)
    if found and found != network:
        raise CheckpointError(
            f"the checkpoint is of {found} (layer3 has {blocks} blocks), not of {network}; "
            f"import it with --network {found}"
        )
    streams = len({key.split(".")[1] for key in keys if key.startswith("bn1.bn_")})
    if streams not in (0, len(STREAMS)):
        raise CheckpointError(f"the checkpoint has {streams} streams; allowed are two: {', '.join(STREAMS)}")


def _classes(head: Tensor | None) -> int:
    """Return how many classes the weight of a head decides between; 1 where there is no such weight."""
    return max(int(head.shape[0]), 1) if head is not None and head.ndim else 1


def renamed(
    official: dict[str, Tensor], shapes: dict[str, Tensor], official_name: Callable[[str], str]
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
    more = ", …" if len(names) > _SHOWN else ""
    return f"{len(names)} {title}: {', '.join(names[:_SHOWN])}{more}" if names else ""
