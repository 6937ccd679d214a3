"""Accuracy, area under the ROC curve, and mean average precision of retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ClipScores:
    """How well the decisions on clips agree with the truth, each 0..1.

    Attributes:
        accuracy: share of clips whose class is found.
        auc: area under the ROC curve; of more than two classes the mean of each against the rest. NaN where the truth
            has one class alone.
        per_class: share of the clips of every class that is found; NaN for a class that does not occur.
    """

    accuracy: float
    auc: float
    per_class: tuple[float, ...]


def score_clips(probabilities: Array, labels: NDArray[np.integer[Any]]) -> ClipScores:
    """Score probabilities [N, C] against labels [N]."""
    found = probabilities.argmax(1)
    classes = probabilities.shape[1]
    shares = [float((found[labels == k] == k).mean()) if (labels == k).any() else np.nan for k in range(classes)]
    if classes == 2:
        auc = area_under_roc(probabilities[:, 1], labels == 1)
    else:
        areas = [area_under_roc(probabilities[:, k], labels == k) for k in range(classes)]
        known = [area for area in areas if not np.isnan(area)]
        auc = float(np.mean(known)) if known else np.nan
    return ClipScores(float((found == labels).mean()), auc, tuple(shares))


def area_under_roc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive sample scores above a negative one, ties counting one half; or NaN."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def mean_average_precision(similarity: Array, relevant: NDArray[np.bool_], n: int) -> float:
    """Return mAP@n: the mean over queries of the average precision among their n most similar targets.

    The precision is averaged over the relevant targets among the n; a query without one counts 0.

    Args:
        similarity: [queries, targets].
        relevant: whether a target answers a query, [queries, targets].
        n: how many targets are looked at; more than there are is all.
    """
    order = np.argsort(-similarity, 1, kind="stable")[:, :n]
    hits = np.take_along_axis(relevant, order, 1).astype(np.float64)
    precision = np.cumsum(hits, 1) / np.arange(1, hits.shape[1] + 1)
    return float(((precision * hits).sum(1) / np.maximum(hits.sum(1), 1)).mean())
