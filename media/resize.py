"""Resizing to the nearest pixel, for depth and labels, which must not be blended."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def nearest(image: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """Return an image [H, W, ...] of any type at another size, made of the pixels whose centres are nearest.

    A centre that falls on the edge between two pixels takes the later one. The products below are exact and the
    quotient is rounded once, so this holds at every size; multiplying by a quotient instead is off at some.
    """
    rows = ((np.arange(height) + 0.5) * image.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * image.shape[1] / width).astype(np.intp)
    return np.asarray(image[rows[:, None], columns])
