"""Scoring a trained network on frames that it has never seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm

from crosswire.training.config import ConfigError
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.device import accelerated
from crosswire.training.engine.run_folder import Run, exchange_lines, exchange_to_plain, write_metrics
from crosswire.training.modalities import modalities
from crosswire.training.models import exchanged_share
from crosswire.training.tasks.segmentation.data import eval_loader, frames
from crosswire.training.tasks.segmentation.metrics import Scores, SegmentationMetrics
from crosswire.training.tasks.segmentation.scoring.fusion_gain import fusion_gain
from crosswire.training.tasks.segmentation.scoring.missing_modality import score_missing_modality
from crosswire.training.tasks.segmentation.scoring.text import class_rows, decision_rows
from crosswire.training.tasks.segmentation.scoring.tta import decide


def evaluate(
    run: Run, *, scales: Sequence[float] = (1.0,), flip: bool = False, progress: bool = True
) -> dict[str, Scores]:
    """Score a run on the fresh test frames of its configuration.

    Args:
        run: the trained network.
        scales: of test-time augmentation, see `crosswire.training.tasks.segmentation.scoring.tta`.
        flip: also mirrored.
        progress: show how far it is.

    Returns:
        Scores of `ensemble` and, where there are several streams, of every stream.

    Raises:
        ConfigError: the data set has no test frames, or other classes than the network.
    """
    config = run.config
    source = frames(config.data, "test")
    if not len(source):
        raise ConfigError(f"data set {config.data.name!r} has no test frames; choose one that has, with data.name=NAME")
    check_classes(config, source)
    metrics = SegmentationMetrics(config.network.deciding, config.network.classes)
    streams = modalities(config.network)
    with accelerated(run.network, metrics) as device, torch.inference_mode():
        for batch in tqdm(eval_loader(config, source), desc="scoring test scenes", disable=not progress):
            inputs, labels = batch.to(device)
            metrics.update(decide(run.network, inputs, streams, scales=scales, flip=flip), labels)
        return metrics.compute()


def report(
    run: Run,
    scores: dict[str, Scores],
    *,
    missing_modality: dict[str, Scores] | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> dict[str, Any]:
    """Write scores and exchange of a run into its folder, and return what was written.

    Args:
        run: the trained network.
        scores: what `evaluate` returned.
        missing_modality: what `score_missing_modality` returned, if anything.
        scales: that `evaluate` was called with.
        flip: that `evaluate` was called with.
    """
    source = frames(run.config.data, "test")
    metrics = {
        "scenes": len(source),
        "scales": list(scales),
        "flip": flip,
        "scores": _plain(scores, source.classes),
        "exchanged_share": exchanged_share(run.network),
        "exchange": exchange_to_plain(run.network),
    }
    if missing_modality:
        metrics["availability"] = _plain(missing_modality, source.classes)
    if scores:
        metrics["fusion"] = fusion_gain(run.config, _mean_iou(scores), _alone(missing_modality or {}), hints=True)
    write_metrics(run.folder, metrics)
    return metrics


def score(
    run: Run,
    *,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    missing_modality: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Evaluate a run and write the report; with every availability where asked, or where it was trained for that."""
    scores = evaluate(run, scales=scales, flip=flip, progress=progress)
    available = None
    if missing_modality or run.config.modality_dropout:
        available = score_missing_modality(run, progress=progress)
    return report(run, scores, missing_modality=available, scales=scales, flip=flip)


def _mean_iou(scores: dict[str, Scores]) -> dict[str, float]:
    """Return the mean IoU by the same names."""
    return {name: score.mean_iou for name, score in scores.items()}


def _alone(missing_modality: dict[str, Scores]) -> dict[str, float]:
    """Return the mean IoU of streams with all others absent, by their names."""
    only = " only"
    return {name.removesuffix(only): of.mean_iou for name, of in missing_modality.items() if name.endswith(only)}


def _plain(scores: dict[str, Scores], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return scores as JSON types; a class that does not occur has null."""
    plain: dict[str, Any] = {}
    for name, score in scores.items():
        plain[name] = dataclasses.asdict(score)
        iou = (None if value != value else value for value in score.iou)
        plain[name]["iou"] = dict(zip(classes, iou, strict=True))
        plain[name]["pixels"] = dict(zip(classes, score.pixels, strict=True))
    return plain


def format_scores(metrics: dict[str, Any]) -> str:
    """Return the scores, the IoU per class and the exchanged share per layer as text."""
    lines = decision_rows(metrics["scores"], f"on {metrics['scenes']} fresh scenes{_tta(metrics)}")
    lines += ["", *class_rows(metrics["scores"])]
    if metrics.get("fusion"):
        lines += ["", metrics["fusion"]]
    if "availability" in metrics:
        lines += ["", *decision_rows(metrics["availability"], "by what is available, on one view each")]
    return "\n".join([*lines, *exchange_lines(metrics, 28)])


def _tta(metrics: dict[str, Any]) -> str:
    """Say what test-time augmentation the decisions were made with, where there was some."""
    if metrics["scales"] == [1.0] and not metrics["flip"]:
        return ""
    scales = ", ".join(f"{scale:g}" for scale in metrics["scales"])
    return f" at scales {scales}{', mirrored too' if metrics['flip'] else ''}"
