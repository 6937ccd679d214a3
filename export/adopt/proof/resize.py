"""Resizing of scores in numpy, as PyTorch and ONNX define it: what the proof holds the graph against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def resized(scores: Array, size: tuple[int, int], *, linear: bool, align_corners: bool) -> Array:
    """Return scores [N, C, h, w] at another height and width, float32.

    Args:
        scores: at their own size.
        size: H and W.
        linear: whether to interpolate; else the pixel whose upper left corner is nearest counts, as PyTorch's
            `nearest` has it.
        align_corners: whether the centres of the corner pixels of both sizes lie on each other.
    """
    if scores.shape[2:] == size:
        return scores
    for axis, length in ((2, size[0]), (3, size[1])):
        here = scores.shape[axis]
        if not linear:
            scores = scores.take((np.arange(length) * here // length), axis)
            continue
        places = np.arange(length, dtype=np.float64)
        places = places * (here - 1) / max(length - 1, 1) if align_corners else (places + 0.5) * here / length - 0.5
        places = places.clip(0, here - 1)
        first = np.floor(places).astype(np.intp)
        second = np.minimum(first + 1, here - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = length
        weight = (places - first).astype(np.float32).reshape(shape)
        scores = scores.take(first, axis) * (1 - weight) + scores.take(second, axis) * weight
    return scores
