"""Translation: pictures of one or several domains in, pictures of one or several others out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from training.config import ConfigError
from training.infer import TensorError
from training.kinds import ScoreOptions
from training.lesson import Lesson
from training.models.translation import build_translator as build
from training.translation import evaluate
from training.translation.config import NETWORKS, TranslationConfig, TranslatorConfig
from training.translation.data import eval_loader, train_loader
from training.translation.domains import codecs, domain
from training.translation.evaluate import TranslationRun
from training.translation.pictures import RoomPictures, pictures
from training.translation.report import write_report as report
from training.translation.task import MONITOR, TranslationTask

__all__ = ["NETWORKS", "build", "infer", "lesson", "next_step", "report", "sample", "score", "shapes", "table"]

table = evaluate.table
_COUNTED = ("shade", "texture", "depth", "normal")


def lesson(config: TranslationConfig, *, fresh: bool) -> Lesson:
    """Return a generator and its pictures; see `training.kinds.Kind`."""
    train, val = (pictures(config.data, config.network, split) for split in ("train", "val"))
    task = TranslationTask(config)

    def loaders(rank: int, ranks: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
        batches = train_loader(config, train, lambda: task.step, rank=rank, ranks=ranks)
        return batches, eval_loader(config, val, rank=rank, ranks=ranks)

    return Lesson(
        task=task,
        loaders=loaders,
        prepared={name: s for name, s in (("train", train), ("val", val)) if isinstance(s, RoomPictures)},
        monitor=MONITOR,
        lower_is_better=True,
        idle_parameters=True,  # generator and discriminators take turns
    )


def score(run: TranslationRun, options: ScoreOptions) -> dict[str, Any]:
    """Score a run on its test views."""
    if options.availability or options.flip or options.scales != (1.0,):
        raise ConfigError("--scales, --flip and --availability belong to segmentation; leave them out")
    features = evaluate.features_of(options.inception) if options.inception else None
    return evaluate.score(run, features=features, progress=options.progress)


def infer(run: TranslationRun, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Translate pictures from -1 to 1: float32 [N, C, H, W] per input domain to `predicted_DOMAIN`, [N, 3, H, W] each.

    `predicted_labels` is a score per class from -1 to 1, [N, K, H, W].

    Raises:
        TensorError: arrays that are missing, too many, or of the wrong dtype or shape.
    """
    names = run.config.network.inputs
    if sorted(arrays) != sorted(names):
        raise TensorError(f"the arrays are {', '.join(sorted(arrays))}; give exactly {', '.join(names)}")
    for name in names:
        array, channels = arrays[name], domain(name).channels
        if array.dtype != np.float32 or array.ndim != 4 or array.shape[1] != channels:
            raise TensorError(
                f"{name} is {array.dtype} {list(array.shape)}; give float32 [N, {channels}, H, W] from -1 to 1"
            )
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
    return f"python -m export build {folder} --name my_network --size {size} --to my_repository"


def sample(name: str, streams: int, classes: int) -> TranslatorConfig:
    """Return a translation to RGB from a number of other domains.

    Raises:
        ConfigError: more than four inputs.
    """
    if streams > len(_COUNTED):
        raise ConfigError(f"--streams is {streams}; a generator takes 1 to {len(_COUNTED)}")
    return TranslatorConfig(name=name, inputs=_COUNTED[:streams])


def shapes(network: TranslatorConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every input, [1, C, H, W]."""
    return [(1, domain(name).channels, *size) for name in network.inputs]
