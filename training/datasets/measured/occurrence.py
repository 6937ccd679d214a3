"""Classes that never occur where they should: nothing is learnt of them, or nothing said about them."""

from __future__ import annotations

import contextlib

import numpy as np

from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.datasets.frames import IGNORE

_WHY = {"train": "no network learns it", "val": "no score tells of it"}


def never_occurring(splits: dict[str, FileFrames], place: str) -> list[Problem]:
    """Return warnings of the classes that no frame of a split has.

    Args:
        splits: frames by `train` and `val`; one whose labels cannot be read is judged by the others.
        place: what to call the labels.
    """
    found = []
    for split, frames in splits.items():
        seen: set[int] = set()
        for index in range(len(frames)):
            with contextlib.suppress(DataError):
                seen |= set(np.unique(frames.labels(index)).tolist())
            if len(seen - {IGNORE}) == len(frames.classes):
                break
        absent = [name for index, name in enumerate(frames.classes) if index not in seen]
        if absent and seen:
            what = f"{', '.join(absent)}: in none of {len(frames)} {split} frames, so {_WHY[split]}"
            found.append(
                Problem(place, what, "deal the frames out by other lists, or take the class out", warning=True)
            )
    return found
