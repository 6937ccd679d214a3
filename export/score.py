"""Task metrics of anything that returns labels, on labelled frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from export.contract import Evaluation
from export.frames import Frames
from export.parity import Runner
from training.datasets.frames import IGNORE
from training.metrics import Scores, scores

METRICS = ("mean_iou", "mean_accuracy", "pixel_accuracy")


def score(runner: Runner, frames: Frames, classes: int) -> Scores:
    """Score a runner whose first output is labels, uint8 [N, H, W].

    Args:
        runner: what is scored.
        frames: with labels.
        classes: K.
    """
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for sample, truth in zip(frames.samples, frames.labels, strict=True):
        found = np.asarray(runner(sample)[0][0])
        known = truth != IGNORE
        pairs = truth[known].astype(np.int64) * classes + found[known]
        confusion += torch.from_numpy(np.bincount(pairs, minlength=classes**2)).view(classes, classes)
    return scores(confusion)


def compare(live: Scores, served: Scores, frames: Frames) -> tuple[Evaluation, ...]:
    """Return the task metrics of live network and graph side by side."""
    plain, other = dataclasses.asdict(live), dataclasses.asdict(served)
    return tuple(Evaluation(frames.description, name, plain[name], other[name]) for name in METRICS)
