"""Segmentation: images of several modalities in, one class per pixel out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import ProceduralFrames
from crosswire.training.engine.arrays import infer as infer
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.run_folder import Run
from crosswire.training.engine.training_setup import TrainingSetup
from crosswire.training.from_data import FOLDER
from crosswire.training.importers.imagenet import load_imagenet
from crosswire.training.importers.runs import load_run
from crosswire.training.report.build import write_report
from crosswire.training.tasks.registry import ScoreOptions
from crosswire.training.tasks.segmentation import evaluate
from crosswire.training.tasks.segmentation.class_weights import class_weights
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import eval_loader, frames, train_loader
from crosswire.training.tasks.segmentation.module import SegmentationTask
from crosswire.training.tasks.segmentation.scoring.degrade import degradations

format_scores = evaluate.format_scores
report = write_report


def training_setup(config: SegmentationConfig, *, fresh: bool) -> TrainingSetup:
    """Return a segmentation network and its frames; see `crosswire.training.tasks.registry.Task`."""
    train, val = frames(config.data, "train"), frames(config.data, "val")
    check_classes(config, train)
    if config.network.frozen_statistics and fresh and not (config.network.imagenet or config.init):
        raise ConfigError(
            "network.frozen_statistics normalises with statistics that random weights do not have, so training would "
            "diverge; begin from a file with network.imagenet=FILE or from a run with --init RUN, or set "
            "network.frozen_statistics=false"
        )
    task = SegmentationTask(config, train.classes, class_weights(config.loss, train))
    if config.network.imagenet and fresh:
        load_imagenet(task.network, config.network.imagenet)
    if config.init and fresh:
        load_run(task.network, config.network, Path(config.init))

    return TrainingSetup(
        task=task,
        train_loader=partial(train_loader, config, train, lambda: task.step),
        val_loader=partial(eval_loader, config, val),
        prepared={name: s for name, s in (("train", train), ("val", val)) if isinstance(s, ProceduralFrames)},
        monitor="val_mean_iou",
        clip=config.optimiser.clip,
        # A step that trains one stream alone leaves the norms of the others without a gradient.
        idle_parameters=config.modality_dropout > 0,
    )


def score(run: Run, options: ScoreOptions) -> dict[str, Any]:
    """Score a run on its test frames."""
    if options.inception:
        raise ConfigError("--inception belongs to translations; leave it out")
    if options.missing_modality and len(run.config.network.streams) < 2:
        raise ConfigError(f"{run.folder} has one stream, so none can be absent; leave out --missing-modality")
    return evaluate.score(
        run,
        data=options.data,
        degrade=[] if options.degrade is None else degradations(options.degrade, run.config.network.streams),
        scales=options.scales,
        flip=options.flip,
        missing_modality=options.missing_modality,
        progress=options.progress,
    )


def next_step(config: SegmentationConfig, folder: Path) -> str:
    """Return the command that exports a run."""
    size = "" if config.data.name == FOLDER else f" --size {config.data.height}x{config.data.width}"
    return f"crosswire export {folder} --name my_network{size} --to my_repository"
