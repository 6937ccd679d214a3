"""Mistakes of a whole folder that no single file shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.datasets.frames import Frame
from crosswire.training.datasets.measured import spread
from crosswire.training.datasets.measured.leaks import leaks
from crosswire.training.datasets.measured.occurrence import never_occurring
from crosswire.training.datasets.measured.registration import agreement

#: Frames that are looked at as a whole, spread over those to train on.
FRAMES = 40


def folder_problems(root: Path, train: FileFrames, val: FileFrames) -> Iterator[Problem]:
    """Yield what is wrong with frames taken together; files that cannot be read are named elsewhere.

    Args:
        root: the folder.
        train: frames to train on.
        val: frames to validate with.
    """
    found = agreement((np.asarray(frame.pictures["rgb"], np.uint8), _depth(frame)) for frame in _some(train))
    if found and (problem := found.problem(str(root / "depth"))):
        yield problem
    yield from leaks(((frame.labels, _depth(frame)) for frame in _some(train)), train.classes, str(root / "labels"))
    yield from never_occurring({"train": train, "val": val}, str(root / "labels"))


def _some(frames: FileFrames) -> Iterator[Frame]:
    """Yield some frames of a data set that can be read, spread over it."""
    for number in spread(len(frames), FRAMES):
        with contextlib.suppress(DataError):
            yield frames[number]


def _depth(frame: Frame) -> NDArray[np.float32]:
    """Return the depth of a frame."""
    return np.asarray(frame.pictures["depth"], np.float32)
