"""Scores of labels against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.errors import InputError
from crosswire.media.confusion import IGNORED, confusion_matrix


def mean_iou(predicted: NDArray[Any], truth: NDArray[Any], classes: int) -> float:
    """Return the mean intersection over union of one image.

    Per class: pixels with the class in both, divided by pixels with the class in either. Classes absent from both
    images are left out of the mean; pixels whose truth is 255 count for nothing.

    Args:
        predicted: class index per pixel, integer [H, W].
        truth: class index per pixel, integer [H, W]; 255 is "not labelled".
        classes: number of classes.

    Returns:
        The mean, 0..1.

    Raises:
        InputError: the images differ in size, hold an index without a class, or no pixel is labelled.
    """
    if predicted.shape != truth.shape:
        raise InputError(f"predicted is {list(predicted.shape)}, truth is {list(truth.shape)}; send equal sizes")
    labelled = truth != IGNORED
    guess, real = predicted[labelled].astype(np.int64), truth[labelled].astype(np.int64)
    if real.size == 0:
        raise InputError("truth labels no pixel; there is nothing to score")
    if min(guess.min(), real.min()) < 0 or max(guess.max(), real.max()) >= classes:
        raise InputError(f"labels reach {max(guess.max(), real.max())}; with {classes} classes 0..{classes - 1} fit")
    confusion = confusion_matrix(real, guess, classes)
    both = np.diagonal(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    return float((both[either > 0] / either[either > 0]).mean())
