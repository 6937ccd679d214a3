"""Scoring a trained network on frames that it has never seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.run_folder import Run, exchange_lines, exchange_to_plain, write_metrics
from crosswire.training.modalities import modalities
from crosswire.training.models import exchanged_share
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.metrics import Scores
from crosswire.training.tasks.segmentation.scoring.degrade import Degradation, score_degraded
from crosswire.training.tasks.segmentation.scoring.fusion_gain import fusion_gain
from crosswire.training.tasks.segmentation.scoring.missing_modality import score_missing_modality
from crosswire.training.tasks.segmentation.scoring.other_data import other_frames
from crosswire.training.tasks.segmentation.scoring.score_frames import Decide, score_frames
from crosswire.training.tasks.segmentation.scoring.text import class_rows, decision_rows, degraded_rows
from crosswire.training.tasks.segmentation.scoring.tta import decide


def evaluate(
    run: Run,
    *,
    source: FrameSource | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    progress: bool = True,
) -> dict[str, Scores]:
    """Score a run on frames that it has not seen.

    Args:
        run: the trained network.
        source: the frames; the test frames of its configuration if left out.
        scales: of test-time augmentation, see `crosswire.training.tasks.segmentation.scoring.tta`.
        flip: also mirrored.
        progress: show how far it is.

    Returns:
        Scores of `ensemble` and, where there are several streams, of every stream.

    Raises:
        ConfigError: the data set has no test frames, or other classes than the network.
    """
    config = run.config
    source = frames(config.data, "test") if source is None else source
    if not len(source):
        raise ConfigError(f"data set {config.data.name!r} has no test frames; choose one that has, with data.name=NAME")
    check_classes(config, source)
    decision = _decision(run, scales, flip=flip)
    return score_frames(run, source, decision, config.network.deciding, "scoring test scenes", progress=progress)


def report(
    run: Run,
    scores: dict[str, Scores],
    *,
    data: Path | None = None,
    source: FrameSource | None = None,
    missing_modality: dict[str, Scores] | None = None,
    degraded: dict[str, dict[str, Scores]] | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> dict[str, Any]:
    """Write scores and exchange of a run into its folder, and return what was written.

    Args:
        run: the trained network.
        scores: what `evaluate` returned.
        data: where the frames lie, if not in the run's own data set; the file is named after it then.
        source: the frames that were scored, if not the run's own.
        missing_modality: what `score_missing_modality` returned, if anything.
        degraded: what `score_degraded` returned, if anything.
        scales: that `evaluate` was called with.
        flip: that `evaluate` was called with.
    """
    source = frames(run.config.data, "test") if source is None else source
    metrics = {
        "scenes": len(source),
        "scales": list(scales),
        "flip": flip,
        "scores": _plain(scores, source.classes),
        "exchanged_share": exchanged_share(run.network),
        "exchange": exchange_to_plain(run.network),
    }
    if data:
        metrics["data"] = str(data)
    if missing_modality:
        metrics["availability"] = _plain(missing_modality, source.classes)
    if scores:
        metrics["fusion"] = fusion_gain(run.config, _mean_iou(scores), _alone(missing_modality or {}), hints=True)
    if degraded:
        metrics["degraded"] = {name: _plain(of, source.classes) for name, of in degraded.items()}
    write_metrics(run.folder, metrics, data)
    return metrics


def score(
    run: Run,
    *,
    data: Path | None = None,
    degrade: Sequence[Degradation] = (),
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    missing_modality: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Evaluate a run and write the report; with every availability where asked, or where it was trained for that.

    Args:
        run: the trained network.
        data: another data set than the run's own, see `other_frames`.
        degrade: score the frames also degraded like this.
        scales: of test-time augmentation.
        flip: also mirrored.
        missing_modality: also with streams missing.
        progress: show how far it is.
    """
    source = other_frames(run, data) if data else frames(run.config.data, "test")
    scores = evaluate(run, source=source, scales=scales, flip=flip, progress=progress)
    available = None
    if missing_modality or run.config.modality_dropout:
        available = score_missing_modality(run, source, progress=progress)
    degraded = score_degraded(run, source, degrade, scales=scales, flip=flip, seed=run.config.seed, progress=progress)
    return report(
        run,
        scores,
        data=data,
        source=source,
        missing_modality=available,
        degraded=degraded,
        scales=scales,
        flip=flip,
    )


def _decision(run: Run, scales: Sequence[float], *, flip: bool) -> Decide:
    """Return how a run decides with all of its streams."""
    streams = modalities(run.config.network)
    return lambda inputs: decide(run.network, inputs, streams, scales=scales, flip=flip)


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
    frames_of = f"frames of {metrics['data']}" if "data" in metrics else "fresh scenes"
    lines = decision_rows(metrics["scores"], f"on {metrics['scenes']} {frames_of}{_tta(metrics)}")
    lines += ["", *class_rows(metrics["scores"])]
    if "degraded" in metrics:
        lines += ["", *degraded_rows(metrics["scores"], metrics["degraded"])]
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
