"""What is a reading in stored depth and what is none: one rule for data sets, clients and the server.

No reading are 0; 65535 of whole numbers, the largest that 16 bits hold, which sensors write for "too far" or "not
seen"; and, of any type, what is negative or not finite. What lies outside the range that a network was trained with is
none for that network either: it has never seen such a distance. Geometry that is not depth, as disparity, has rules of
its own, see `to_values`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.contract import Geometry

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


def to_values(stored: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[np.float32]:
    """Return stored geometry in its unit, float32 of the same shape, 0 where there is no reading.

    Depth is read by `to_metres`. Of other geometry every whole number but `geometry.missing` is a reading, 65535 too;
    where 0 is one, it becomes one stored step, as 0 says "no reading" to every network. Floats are readings where they
    are finite, above 0 and not `geometry.missing`.

    Args:
        stored: any type of number.
        geometry: what it holds.
    """
    if geometry.metric:
        return to_metres(stored, geometry.scale)
    readings = (stored != geometry.missing) & np.isfinite(stored)
    if stored.dtype.kind == "f":
        readings &= stored > 0
    steps = np.maximum(stored, 1) if stored.dtype.kind in "iu" else np.where(readings, stored, 0)
    return np.asarray(np.where(readings, steps.astype(np.float32) / np.float32(geometry.scale), 0), np.float32)


def outside(metres: npt.NDArray[Any], reach: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Say which readings lie outside the distances, metres, that a network was trained with; 0 is no reading."""
    far = metres > reach[1]
    return np.asarray(far | ((metres < reach[0]) & (metres > 0)) if reach[0] > 0 else far)
