"""Audio-video: frames and sound in, one class per clip out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crosswire.training.config import ConfigError
from crosswire.training.datasets.clips.events_clips import EventClips
from crosswire.training.engine.arrays import TensorError
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.training_setup import TrainingSetup
from crosswire.training.tasks.audio_video import evaluate
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.audio_video.data import clips, eval_loader, train_loader
from crosswire.training.tasks.audio_video.module import AudioVideoTask
from crosswire.training.tasks.audio_video.network import begin, input_shape
from crosswire.training.tasks.registry import ScoreOptions

format_scores = evaluate.format_scores


def training_setup(config: AudioVideoConfig, *, fresh: bool) -> TrainingSetup:
    """Return an audio-video network and its clips; see `crosswire.training.tasks.registry.Task`."""
    train, val = clips(config, "train"), clips(config, "val")
    check_classes(config, train)
    task = AudioVideoTask(config)
    if fresh:
        begin(task.network, config.network)

    return TrainingSetup(
        task=task,
        train_loader=partial(train_loader, config, train, lambda: task.step),
        val_loader=partial(eval_loader, config, val),
        prepared={name: s for name, s in (("train", train), ("val", val)) if isinstance(s, EventClips)},
        # Of two classes one may be rare, and then an accuracy says nothing.
        monitor="val_auc" if config.network.classes == 2 else "val_accuracy",
        clip=config.optimiser.clip,
    )


def score(run: evaluate.Run, options: ScoreOptions) -> dict[str, Any]:
    """Score a run on its test clips, with every missing modality in any case.

    Raises:
        ConfigError: options of other tasks.
    """
    if options.flip or options.scales != (1.0,) or options.inception:
        raise ConfigError("clips are scored as they are; leave out --scales, --flip and --inception")
    return evaluate.score(run, progress=options.progress)


def infer(run: evaluate.Run, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Return the logits [N, C] of raw `video` [N, T, H, W, 3], 0..255, and `audio` [N, S], -1..1; one may be missing.

    Raises:
        TensorError: an array is unknown or misshapen, or all are missing.
    """
    network = run.network
    names = network.modalities
    if unknown := sorted(set(arrays) - set(names)):
        raise TensorError(f"arrays {', '.join(unknown)} are unknown; the network takes {', '.join(names)}")
    if not arrays:
        raise TensorError(f"no array was given; the network takes {', '.join(names)}, of which one may be absent")
    shapes = {name: input_shape(run.config.network, name) for name in names}
    for name, array in arrays.items():
        if array.ndim == 0 or not len(array) or array.shape[1:] != shapes[name]:
            wanted = ", ".join(map(str, shapes[name]))
            raise TensorError(f"array {name!r} has shape {list(array.shape)}; give [N, {wanted}]")
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise TensorError(f"N is {counts}; it is the same for all arrays")
    count = next(iter(counts.values()))
    given = (np.asarray(arrays.get(name, np.zeros((count, *shapes[name]))), np.float32) for name in names)
    inputs = [torch.from_numpy(array) for array in given]
    with torch.inference_mode():
        return {"logits": network(*inputs).logits.float().numpy()}


def report(run: evaluate.Run) -> Path:
    """Refuse to draw, for there is no page for clips yet.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"{run.folder} is a run on clips, which has no page; see: crosswire evaluate {run.folder}")


def next_step(config: AudioVideoConfig, folder: Path) -> str:
    """Return the command that exports a run."""
    return f"crosswire export {folder} --name my_network --to my_repository"
