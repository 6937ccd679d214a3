"""Reading generators of the official CEN code (yikaiw/CEN, `image2image_translation/`) into run folders.

The run keeps the official semantics: a channel is replaced wherever |γ| < θ = 0.01 on either side behind the second to
the seventh convolution, private norms in the decoder too, α as the soft-max of a free vector. The checkpoint does not
say which domains it was trained on. The official code never leaves training mode; `network.statistics=instance`
normalises as it does, `fixed` (what is set here) with the running statistics, which can be folded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from crosswire.training.engine.run_folder import CONFIG, write_config
from crosswire.training.importers.weight_files import CheckpointError, read_checkpoint, write_imported
from crosswire.training.overrides import override
from crosswire.training.tasks.translation.config import USUAL_INPUTS, ImagesConfig, TranslationConfig, TranslatorConfig
from crosswire.training.tasks.translation.evaluate import TranslationRun

NETWORK = "unet256"
LEVELS = 8
#: |γ| <= this exactly where a float32 |γ| < 0.01, which is how the official code compares.
THRESHOLD = float(np.nextafter(np.float32(1e-2), np.float32(0)))
_UNUSED = ("conv1", "conv8", "deconv8")


def import_translation(file: Path, folder: Path, assignments: Sequence[str] = ()) -> TranslationRun:
    """Turn an official generator into a run folder.

    Args:
        file: a state dict, as the official code saves it (`checkpoint-gen.pkl`).
        folder: the run folder to write, which must not hold a run yet.
        assignments: changes of the configuration, for example `network.inputs=shade,texture`.

    Returns:
        The run that was written.

    Raises:
        CheckpointError: a folder in use, or a checkpoint that is not of this network.
        ConfigError: an assignment that cannot be used.
        OSError: a file that cannot be read or written.
    """
    if (folder / CONFIG).exists():
        raise CheckpointError(f"{folder} already holds a run; choose another folder with --out")
    official = read_checkpoint(file)
    config = override(official_config(official, file), assignments)
    if "alpha" in official and official["alpha"].ndim == 1:
        official["alpha"] = official["alpha"][None]
    run = write_imported(file, folder, config, official, official_key)
    write_config(folder, config)
    return run


def official_config(official: dict[str, Tensor], file: Path) -> TranslationConfig:
    """Return the configuration of a network that the official code has trained.

    Raises:
        CheckpointError: it has no first convolution, or another number of inputs than one to four.
    """
    first = official.get("conv1.conv.module.weight")
    streams = len({key.split(".")[2] for key in official if key.startswith("conv2.insnorm_conv.insnorm_")})
    if first is None or first.ndim != 4 or not 1 <= streams <= len(USUAL_INPUTS):
        raise CheckpointError(
            f"{file} is no generator of the official code: it lacks conv1.conv.module.weight, or has {streams} streams "
            f"(allowed are 1 to {len(USUAL_INPUTS)})"
        )
    network = TranslatorConfig(
        inputs=USUAL_INPUTS[:streams],
        levels=LEVELS,
        width=int(first.shape[0]),
        threshold=THRESHOLD,
        restrict=False,
        decoder_norms="private",
        unused_norms=True,
    )
    data = ImagesConfig(name="none", height=256, width=256)
    return TranslationConfig(preset="import-cen", network=network, data=data, steps=0)


def official_key(key: str) -> str:
    """Return the official name of a parameter or buffer of our generator.

    Args:
        key: of the network's state dict, for example `encoder.stages.1.norm.norms.0.weight`.

    Returns:
        The name in an official state dict, for example `conv2.insnorm_conv.insnorm_0.weight`.

    Raises:
        ValueError: a key that the official generator does not have.
    """
    if key == "mix.scores":
        return "alpha"
    if match := re.fullmatch(r"(encoder|decoder)\.stages\.(\d+)\.(?:conv|norm\.norms\.(\d+))\.(\w+)", key):
        stem = "conv" if match[1] == "encoder" else "deconv"
        layer = f"{stem}{int(match[2]) + 1}"
        inner = f"{stem}.module" if match[3] is None else f"insnorm_{stem}.insnorm_{match[3]}"
        return f"{layer}.{inner}.{match[4]}"
    if match := re.fullmatch(r"unused\.(\d)\.norms\.(\d+)\.(\w+)", key):
        layer = _UNUSED[int(match[1])]
        return f"{layer}.insnorm_{layer.rstrip('0123456789')}.insnorm_{match[2]}.{match[3]}"
    raise ValueError(f"{key} has no name in the official code")
