"""Translation: images of one or several domains in, images of one or several others out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crosswire.training.config import ConfigError
from crosswire.training.engine.arrays import TensorError, check_arrays
from crosswire.training.engine.training_setup import TrainingSetup
from crosswire.training.models.inception import load_inception
from crosswire.training.report.translation import write_report
from crosswire.training.tasks.registry import ScoreOptions
from crosswire.training.tasks.translation import evaluate
from crosswire.training.tasks.translation.config import TranslationConfig
from crosswire.training.tasks.translation.data import eval_loader, train_loader
from crosswire.training.tasks.translation.domains import codecs, domain
from crosswire.training.tasks.translation.evaluate import TranslationRun
from crosswire.training.tasks.translation.images import RoomImages, images
from crosswire.training.tasks.translation.module import MONITOR, TranslationTask

format_scores = evaluate.format_scores
report = write_report


def training_setup(config: TranslationConfig, *, fresh: bool) -> TrainingSetup:
    """Return a generator and its images; see `crosswire.training.tasks.registry.Task`."""
    train, val = (images(config.data, config.network, split) for split in ("train", "val"))
    task = TranslationTask(config)

    return TrainingSetup(
        task=task,
        train_loader=partial(train_loader, config, train, lambda: task.step),
        val_loader=partial(eval_loader, config, val),
        prepared={name: s for name, s in (("train", train), ("val", val)) if isinstance(s, RoomImages)},
        monitor=MONITOR,
        lower_is_better=True,
        idle_parameters=True,  # generator and discriminators take turns
    )


def score(run: TranslationRun, options: ScoreOptions) -> dict[str, Any]:
    """Score a run on its test views."""
    if options.missing_modality or options.flip or options.scales != (1.0,):
        raise ConfigError("--scales, --flip and --missing-modality belong to segmentation; leave them out")
    features = load_inception(options.inception) if options.inception else None
    return evaluate.score(run, features=features, progress=options.progress)


def infer(run: TranslationRun, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Translate images from -1 to 1: float32 [N, C, H, W] per input domain to `predicted_DOMAIN`, [N, 3, H, W] each.

    `predicted_labels` is a score per class from -1 to 1, [N, K, H, W].

    Raises:
        TensorError: arrays that are missing, too many, or of the wrong dtype, shape or values.
    """
    names = run.config.network.inputs
    check_arrays({name: domain(name).channels for name in names}, arrays)
    side = 2**run.config.network.levels
    if any(length % side for length in arrays[names[0]].shape[2:]):
        raise TensorError(f"height and width are {list(arrays[names[0]].shape[2:])}; give multiples of {side}")
    with torch.inference_mode():
        answers = run.network(*(torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in names)).answers
    codes = codecs(run.config.network.outputs, run.config.network)
    return {
        f"predicted_{code.domain.name}": made[:, : code.made].numpy()
        for code, made in zip(codes, answers.chunk(len(codes)), strict=True)
    }


def next_step(config: TranslationConfig, folder: Path) -> str:
    """Return the command that exports a run."""
    size = f"{config.data.height}x{config.data.width}"
    return f"crosswire export {folder} --name my_network --size {size} --to my_repository"
