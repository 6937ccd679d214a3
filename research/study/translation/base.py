"""What the studies of image translation share: the run that every row varies, and what is read off it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from crosswire.training.config import ConfigError
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.config import ImagesConfig, TranslationConfig
from research.study.study import Claim, exceeds

POWER = (
    "Size cpu: a narrow network without a discriminator, 64x80 pixels and a few hundred steps. Errors are mean "
    "absolute errors from -1 to 1; what needs long training or a judge of looks cannot show."
)


def base(name: str, size: str) -> TranslationConfig:
    """Return the run that every row varies.

    Args:
        name: the preset that it is made from.
        size: `cpu`, less than a minute per run, or `gpu`, the papers' width on larger rooms.
    """
    config = preset(name)
    if not isinstance(config, TranslationConfig):
        raise ConfigError(f"preset {name!r} is no translation")
    if size == "gpu":
        network = dataclasses.replace(config.network, levels=7, width=64)
        data = ImagesConfig(height=256, width=256, train_scenes=2000, val_scenes=64, test_scenes=256, flip=0, batch=8)
        steps = 8000
        runtime = dataclasses.replace(config.runtime, workers=8)
    else:
        network = dataclasses.replace(config.network, levels=4)
        data = ImagesConfig(height=64, width=80, train_scenes=200, val_scenes=4, test_scenes=48, flip=0, batch=4)
        steps, runtime = 600, config.runtime
    # More steps at less pressure: a scaling factor that the task does not want falls equally far. Chosen on another
    # seed than the study's, so that a fifth to a third of the channels are exchanged.
    optimiser = dataclasses.replace(config.optimiser, sparsity=2 * config.optimiser.sparsity * config.steps / steps)
    return dataclasses.replace(
        config,
        preset=f"study-{size}",
        network=network,
        data=data,
        optimiser=optimiser,
        steps=steps,
        val_every=steps // 2,
        runtime=runtime,
    )


def read(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a run: the mean absolute error of every output, and the share of γ̂ that is exchanged."""
    figures = {name: float(scores["mae"]) for name, scores in metrics["scores"].items() if " from " not in name}
    return {**figures, "exchanged": float(metrics["exchanged_share"])}


def less(better: str, worse: str, figures: Sequence[str], source: str) -> list[Claim]:
    """Return one claim per output: that one row errs less than another.

    Args:
        better: the row that should err less.
        worse: the other row.
        figures: the outputs.
        source: paper and table.
    """
    return [
        Claim(
            f"{better[0].upper()}{better[1:]}: {figure} errs less than with {worse}",
            source,
            exceeds(worse, better, figure),
        )
        for figure in figures
    ]
