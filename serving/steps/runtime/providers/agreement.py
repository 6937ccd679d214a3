"""How far answers on a GPU lie from those of the processor, on which the proof in the contract was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


def noise(zeros: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return noise of the shapes and types of some inputs, the same in every process: bytes, or numbers from 0 to 1."""
    chance = np.random.default_rng(0)
    drawn = {}
    for name, array in zeros.items():
        whole = np.issubdtype(array.dtype, np.integer)
        values = chance.integers(0, 256, array.shape) if whole else chance.random(array.shape)
        drawn[name] = values.astype(array.dtype)
    return drawn


def agreement(session: Any, processor: Any, feed: Arrays, outputs: Sequence[str]) -> dict[str, float]:
    """Return by output how far two sessions agree on one batch.

    Args:
        session: of ONNX Runtime.
        processor: one on the same graph, on the processor.
        feed: the batch, by input.
        outputs: names of what both compute.

    Returns:
        for whole numbers the share of equal elements, 1 if all are; for others 1 less the largest difference divided by
        the largest magnitude.
    """
    found = {}
    answers = zip(outputs, session.run(list(outputs), feed), processor.run(list(outputs), feed), strict=True)
    for name, one, other in answers:
        if np.issubdtype(other.dtype, np.integer):
            share = float(np.mean(one == other))
        else:
            largest = float(np.max(np.abs(other))) or 1.0
            share = 1.0 - float(np.max(np.abs(one - other))) / largest
        found[name] = round(share, 5)
    return found
