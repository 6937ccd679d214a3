"""What is a reading in stored depth and what is none: one rule for data sets, clients and the server.

No reading are 0; 65535 of whole numbers, the largest that 16 bits hold, which sensors write for "too far" or "not
seen"; and, of any type, what is negative or not finite. What lies outside the range that a network was trained with is
none for that network either: it has never seen such a distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Stored value of 16 bits that says "no reading", as 0 does.
SATURATED = 65535


def is_reading(stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Say which stored values, of any shape and type of number, are readings."""
    if stored.dtype.kind == "f":
        return np.asarray((stored > 0) & (stored < np.inf))
    return np.asarray((stored > 0) & (stored != SATURATED))


def to_metres(stored: npt.NDArray[Any], units_per_metre: float) -> npt.NDArray[np.float32]:
    """Return stored depth in metres, float32 of the same shape, 0 where there is no reading.

    Args:
        stored: any type of number; floats in any unit.
        units_per_metre: stored difference that is one metre.
    """
    if stored.dtype.kind == "f":
        stored = np.where(is_reading(stored), stored, 0)
        return stored.astype(np.float32) / np.float32(units_per_metre)
    metres: npt.NDArray[np.float32] = stored.astype(np.float32)
    metres /= np.float32(units_per_metre)
    if stored.size and stored.max() >= SATURATED:  # a look at the largest is a tenth of the work
        metres[stored == SATURATED] = 0
    if stored.dtype.kind == "i":
        metres[stored < 0] = 0
    return metres


def outside(metres: npt.NDArray[Any], reach: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Say which readings lie outside the distances, metres, that a network was trained with; 0 is no reading."""
    far = metres > reach[1]
    return np.asarray(far | ((metres < reach[0]) & (metres > 0)) if reach[0] > 0 else far)
