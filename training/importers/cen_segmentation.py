"""Reading segmentation checkpoints of the official CEN code (yikaiw/CEN, `semantic_segmentation/`) into run folders.

The run keeps the official semantics: two streams, a channel is replaced wherever |γ| < θ = 0.02 on either side, every
norm normalises with its own running statistics, α is the soft-max of a free vector, depth enters in metres (the code
divides its 1/5000 m images by 5000) and is repeated over three channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from crosswire.training.engine.run_folder import CONFIG, Run, write_config
from crosswire.training.importers.cen_keys import official_key
from crosswire.training.importers.weight_files import CheckpointError, read_checkpoint, write_imported
from crosswire.training.overrides import override
from crosswire.training.tasks.segmentation.config import DataConfig, NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.evaluate import report

#: Network -> blocks of its third stage, which tell the depths apart.
NETWORKS = {"refinenet50": 6, "refinenet101": 23, "refinenet152": 36}
STREAMS = ("rgb", "depth")
#: |γ| <= this exactly where a float32 |γ| < 0.02, which is how the official code compares.
THRESHOLD = float(np.nextafter(np.float32(2e-2), np.float32(0)))


def import_cen(file: Path, network: str, folder: Path, assignments: Sequence[str] = ()) -> Run:
    """Turn an official checkpoint into a run folder.

    Args:
        file: a `.pth.tar`: a dict whose `segmenter` is a state dict, or a bare state dict.
        network: one of `NETWORKS`.
        folder: the run folder to write, which must not hold a run yet.
        assignments: changes of the configuration, for example `data.name=nyuv2`, see
            `crosswire.training.overrides.override`.

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
    run = write_imported(file, folder, config, official, lambda key: prefix + official_key(key))
    if config.data.name == "none":
        report(run, {})
    write_config(folder, config)
    return run


def official_config(network: str, classes: int) -> SegmentationConfig:
    """Return the configuration of a network that the official code has trained."""
    return SegmentationConfig(
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
