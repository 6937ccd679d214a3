"""Weights of classes in the loss, from how often each occurs in the labels that are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.frames import IGNORE, FrameSource
from crosswire.training.tasks.segmentation.config import LossConfig


@runtime_checkable
class LabelSource(Protocol):
    """Frames whose labels can be read without their images."""

    def labels(self, index: int) -> NDArray[np.uint8]:
        """Return the labels of one frame, uint8 [H, W]."""


def class_weights(settings: LossConfig, source: FrameSource) -> tuple[float, ...]:
    """Return the weight of every class; empty where all count alike.

    Args:
        settings: which weights.
        source: the frames to train on; their labels are read once where weights are computed.
    """
    if settings.balance == "none":
        return settings.class_weights
    counts = np.stack([*_counts(source)])
    return (inverse_frequency if settings.balance == "inverse" else median_frequency)(counts)


def inverse_frequency(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Return weights with which every class counts alike, whatever its share, and a pixel counts 1 in the mean.

    w_c = n / (K n_c) with n labelled pixels, n_c of class c, and K classes that occur: the case weights of King and
    Zeng, "Logistic regression in rare events data" (2001), for several classes. A class that never occurs has 0.

    Args:
        counts: labelled pixels per frame and class, int64 [frames, K].
    """
    of_class = counts.sum(0)
    occurs = of_class > 0
    weights = of_class.sum() / (max(1, occurs.sum()) * np.maximum(of_class, 1))
    return tuple(np.where(occurs, weights, 0.0).tolist())


def median_frequency(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Return the median of the frequencies of all classes over each class's own.

    The frequency of a class is its share of the labelled pixels of those frames in which it occurs: Eigen and Fergus,
    "Predicting depth, surface normals and semantic labels with a common multi-scale convolutional architecture" (ICCV
    2015), α_c of the semantic labels. A class that never occurs has 0.

    Args:
        counts: labelled pixels per frame and class, int64 [frames, K].
    """
    of_class, beside = counts.sum(0), (counts.sum(1)[:, None] * (counts > 0)).sum(0)
    occurs = of_class > 0
    frequency = np.where(occurs, of_class / np.maximum(beside, 1), 1.0)
    median = np.median(frequency[occurs]) if occurs.any() else 1.0
    return tuple(np.where(occurs, median / frequency, 0.0).tolist())


def _counts(source: FrameSource) -> Iterator[NDArray[np.int64]]:
    """Yield the labelled pixels of every class, int64 [K], frame by frame."""
    for index in range(len(source)):
        labels = source.labels(index) if isinstance(source, LabelSource) else source[index].labels
        yield np.bincount(labels[labels != IGNORE].ravel(), minlength=len(source.classes))
