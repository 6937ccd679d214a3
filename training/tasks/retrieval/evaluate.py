"""Scoring a retrieval run on features that it has never seen."""

from __future__ import annotations

from typing import Any, TypeAlias

from crosswire.training.config import ConfigError
from crosswire.training.engine.run_folder import RunOf, write_metrics
from crosswire.training.tasks.registry import ScoreOptions
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.retrieval.data import features
from crosswire.training.tasks.retrieval.module import score_retrieval
from crosswire.training.tasks.retrieval.network import RetrievalNetwork

Run: TypeAlias = RunOf[RetrievalConfig, RetrievalNetwork]


def score(run: Run, options: ScoreOptions) -> dict[str, Any]:
    """Score a run on its test features.

    Raises:
        ConfigError: options of other tasks.
    """
    if options.flip or options.scales != (1.0,) or options.missing_modality or options.inception:
        raise ConfigError("retrieval has one score; leave out --scales, --flip, --missing-modality and --inception")
    source = features(run.config, "test")
    metrics = {
        "videos": len(source),
        "images": sum(len(images) for images in source.images),
        "scores": score_retrieval(run.network, source),
    }
    write_metrics(run.folder, metrics)
    return metrics


def format_scores(metrics: dict[str, Any]) -> str:
    """Return the scores as text."""
    rows = [f"{name:8} {value:6.3f}" for name, value in metrics["scores"].items()]
    return "\n".join([*rows, f"{metrics['videos']} videos found by {metrics['images']} images"])
