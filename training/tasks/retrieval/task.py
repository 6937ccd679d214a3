"""Retrieval: an image in, the videos of the same activity out, from given features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, TensorDataset

from crosswire.training.config import ConfigError
from crosswire.training.engine.arrays import TensorError
from crosswire.training.engine.sampling import drawn_batches
from crosswire.training.engine.training_setup import TrainingSetup
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.retrieval.data import PairDataset, features
from crosswire.training.tasks.retrieval.evaluate import Run
from crosswire.training.tasks.retrieval.evaluate import format_scores as format_scores
from crosswire.training.tasks.retrieval.evaluate import score as score
from crosswire.training.tasks.retrieval.module import RetrievalTask


def training_setup(config: RetrievalConfig, *, fresh: bool) -> TrainingSetup:
    """Return a retrieval network and its features; see `crosswire.training.tasks.registry.Task`."""
    train, val = features(config, "train"), features(config, "val")
    task = RetrievalTask(config, val)
    return TrainingSetup(
        task=task,
        train_loader=partial(drawn_batches, PairDataset(train, config.seed), config, lambda: task.step),
        # The whole split is scored at once behind the last batch, so there is one of nothing.
        val_loader=lambda **place: DataLoader(TensorDataset(torch.zeros(1, 0))),
        prepared={},
        monitor="val_map",
        clip=config.optimiser.clip,
    )


def infer(run: Run, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Return unit vectors of `video` [N, F] and `image` [N, G], of what is given.

    Raises:
        TensorError: an array is unknown or misshapen.
    """
    sizes = {"video": run.config.network.video, "image": run.config.network.image}
    found = {}
    for name, array in arrays.items():
        if name not in sizes:
            raise TensorError(f"array {name!r} is unknown; the network takes video and image")
        if array.ndim != 2 or array.shape[1] != sizes[name]:
            raise TensorError(f"array {name!r} has shape {list(array.shape)}; give [N, {sizes[name]}]")
        with torch.inference_mode():
            given = torch.from_numpy(np.asarray(array, np.float32))
            found[f"{name}_embedding"] = run.network.embed(list(sizes).index(name), given).numpy()
    return found


def report(run: Run) -> Path:
    """Refuse to draw, for there is nothing to see in features.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"{run.folder} is a run on features, which has no page; see: crosswire evaluate")


def next_step(config: RetrievalConfig, folder: Path) -> str:
    """Return the command that embeds features with a run."""
    return f"crosswire infer {folder} --tensors features.npz --out embeddings.npz"
