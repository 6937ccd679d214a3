"""Classes that the holes of depth give away: a network learns where there is no reading, and nothing of the world."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.files.problems import Problem

_SAME, _LEAST_SHARE = 0.95, 0.005


def leaks(
    frames: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]], classes: Sequence[str], place: str
) -> list[Problem]:
    """Return the classes that cover exactly the pixels without a reading of depth.

    Unlabelled pixels may: they are neither learnt nor scored.

    Args:
        frames: labels [H, W] and depth [H, W], 0 where there is no reading.
        classes: their names.
        place: what to call the labels.
    """
    both, labelled = np.zeros(256, np.int64), np.zeros(256, np.int64)
    holes = pixels = 0
    for labels, depth in frames:
        hole = depth == 0
        both += np.bincount(labels[hole], minlength=256)
        labelled += np.bincount(labels.ravel(), minlength=256)
        holes += int(hole.sum())
        pixels += hole.size
    found = []
    for index, name in enumerate(classes):
        either = labelled[index] + holes - both[index]
        if pixels and both[index] >= max(_SAME * either, _LEAST_SHARE * pixels):
            what = f"{name} is exactly where depth has no reading, in {both[index] / either:.1%} of its pixels"
            cure = "take it out of classes and store it as unlabelled: depth would give it away"
            found.append(Problem(place, what, f'{cure} ("ignore" in manifest.json)'))
    return found
