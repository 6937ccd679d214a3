"""Agreement of two label maps, counted by pairs of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Label of a pixel whose class is not known.
IGNORED = 255


def confusion_matrix(truth: npt.NDArray[Any], found: npt.NDArray[Any], classes: int) -> npt.NDArray[np.int64]:
    """Count the pairs of classes of two label maps of one shape; pixels whose truth is 255 count for nothing.

    Args:
        truth: class index per pixel, or 255.
        found: class index per pixel; below `classes` wherever the truth is known.
        classes: K.

    Returns:
        Pixels by class, [K, K], rows the truth.
    """
    known = truth != IGNORED
    pairs = truth[known].astype(np.int64) * classes + found[known].astype(np.int64)
    return np.asarray(np.bincount(pairs, minlength=classes**2).reshape(classes, classes), np.int64)
