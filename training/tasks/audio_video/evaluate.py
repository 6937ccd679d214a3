"""Scoring a run on clips that it has never seen: with everything there, with sound alone, with pictures alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.machine.device import accelerated
from crosswire.training.engine.run_folder import RunOf, write_metrics
from crosswire.training.tasks.audio_video.config import AudioVideoConfig
from crosswire.training.tasks.audio_video.data import clips, eval_loader
from crosswire.training.tasks.audio_video.metrics import ClipScores, score_clips
from crosswire.training.tasks.audio_video.network import AudioVideoNetwork

Run: TypeAlias = RunOf[AudioVideoConfig, AudioVideoNetwork]
#: Letter of a modality in the paper's tables.
LETTERS = {"audio": "A", "video": "V"}


def missing_modality_cases(modalities: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return every combination of modalities, as the paper's tables name them: A, V, AV."""
    alone = {LETTERS[name]: (name,) for name in sorted(modalities)}
    return alone | {"".join(alone): tuple(modalities)}


def decide(network: AudioVideoNetwork, inputs: Sequence[Tensor], present: Sequence[str]) -> Tensor:
    """Return probabilities [N, C] of raw inputs, those of missing modalities being replaced by zeros."""
    given = [x if name in present else torch.zeros_like(x) for name, x in zip(network.modalities, inputs, strict=True)]
    probabilities: Tensor = network(*given).logits.float().softmax(1)
    return probabilities


def evaluate(run: Run, *, progress: bool = True) -> dict[str, ClipScores]:
    """Score a run on its test clips with every combination of modalities, by the letters of the paper's tables.

    Raises:
        ConfigError: the data set has other classes than the network.
    """
    config = run.config
    source = clips(config, "test")
    check_classes(config, source)
    wanted = missing_modality_cases(config.network.modalities)
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in wanted}
    labels = []
    with accelerated(run.network) as device, torch.inference_mode():
        loader = eval_loader(config, source)
        for batch in tqdm(loader, desc="scoring test clips", disable=not progress):
            inputs = [x.to(device) for x in batch.inputs]
            for name, present in wanted.items():
                found[name].append(decide(run.network, inputs, present).cpu().numpy())
            labels.append(batch.labels.numpy())
    truth = np.concatenate(labels)
    return {name: score_clips(np.concatenate(parts), truth) for name, parts in found.items()}


def score(run: Run, *, progress: bool = True) -> dict[str, Any]:
    """Score a run, write `metrics.json` and return what was written."""
    source = clips(run.config, "test")
    metrics = {"clips": len(source), "scores": _plain(evaluate(run, progress=progress), source.classes)}
    write_metrics(run.folder, metrics)
    return metrics


def _plain(scores: dict[str, ClipScores], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return scores as JSON types; what is not defined is null."""
    plain: dict[str, Any] = {}
    for name, scored in scores.items():
        plain[name] = dataclasses.asdict(scored)
        plain[name]["auc"] = None if scored.auc != scored.auc else scored.auc
        shares = (None if share != share else share for share in scored.per_class)
        plain[name]["per_class"] = dict(zip(classes, shares, strict=True))
    return plain


def format_scores(metrics: dict[str, Any]) -> str:
    """Return the scores as text."""
    lines = [f"{'':6} {'accuracy':>9} {'AUC':>7}   on {metrics['clips']} fresh clips, by what is available"]
    for name, scored in metrics["scores"].items():
        auc = "-" if scored["auc"] is None else f"{scored['auc']:.3f}"
        lines.append(f"{name:6} {scored['accuracy']:9.3f} {auc:>7}")
    names = list(metrics["scores"])
    classes = metrics["scores"][names[0]]["per_class"]
    if len(classes) <= 20:
        wide = max(map(len, classes))
        lines += ["", f"{'':{wide}} " + " ".join(f"{name:>6}" for name in names) + "   share of each class found"]
        for label in classes:
            shares = (metrics["scores"][name]["per_class"][label] for name in names)
            shown = " ".join("     -" if share is None else f"{share:6.2f}" for share in shares)
            lines.append(f"{label:{wide}} {shown}")
    return "\n".join(lines)
