"""Task metrics of anything that returns labels, on labelled frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from crosswire.contract import Evaluation
from crosswire.export.frames import Frames
from crosswire.export.parity import Runner
from crosswire.media.confusion import confusion_matrix
from crosswire.training.tasks.segmentation.metrics import Scores, scores

METRICS = ("mean_iou", "mean_accuracy", "pixel_accuracy")


def score(runner: Runner, frames: Frames, classes: int) -> Scores:
    """Score a runner whose first output is labels, uint8 [N, H, W].

    Args:
        runner: what is scored.
        frames: with labels.
        classes: K.
    """
    counts = np.zeros((classes, classes), np.int64)
    for sample, truth in zip(frames.samples, frames.labels, strict=True):
        counts += confusion_matrix(truth, np.asarray(runner(sample)[0][0]), classes)
    return scores(torch.from_numpy(counts))


def compare(live: Scores, served: Scores, frames: Frames) -> tuple[Evaluation, ...]:
    """Return the task metrics of live network and graph side by side."""
    plain, other = dataclasses.asdict(live), dataclasses.asdict(served)
    return tuple(Evaluation(frames.description, name, plain[name], other[name]) for name in METRICS)
