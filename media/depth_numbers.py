"""Depth in metres as whole numbers of 16 bits, in a unit in which the numbers that were stored survive."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crosswire.media.depth import SATURATED

#: Units that depth is stored in, per metre, the usual first: millimetres, TUM's, RealSense's short-range and L515's.
STORED = (1000.0, 5000.0, 10_000.0, 4000.0, 8000.0, 2000.0, 100.0)
#: Units for numbers that were stored otherwise, from fine to coarse.
_FITTING = (10_000.0, 5000.0, 2000.0, 1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0)
#: How far a stored number may be from a whole one: float32 has 24 bits.
_ROUNDING = 0.02
#: One of so many pixels is looked at: all of them are whole, or hardly any.
_SAMPLE = 7


def whole_depth(
    metres: npt.NDArray[np.float32], units_per_metre: float | None = None
) -> tuple[npt.NDArray[np.uint16], float]:
    """Return depth as whole numbers, and what one metre counts in them.

    Where the depth was stored in whole numbers of a usual unit, or of the one that is given, these numbers come back.
    What is between them, as depth of floats or depth that was moved to another camera, is rounded in the finest unit
    that reaches as far: to a tenth of a millimetre up to 6.5 m, a fifth up to 13 m.

    Args:
        metres: float32 [H, W]; what is not finite or not above 0 is no reading.
        units_per_metre: the unit that the depth was stored in, tried first.

    Returns:
        uint16 [H, W], 0 is no reading; units per metre.
    """
    nearest, farthest = float(metres.min(initial=0)), float(metres.max(initial=0))
    if not (nearest >= 0 and np.isfinite(farthest)):  # NaN is neither
        metres = np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))
        farthest = float(metres.max(initial=0))
    some = metres.reshape(-1)[::_SAMPLE]
    for unit in (*(() if units_per_metre is None else (units_per_metre,)), *STORED):
        if farthest * unit < SATURATED - 0.5 and _is_whole(some * np.float32(unit)):
            return _numbers(metres, unit), unit
    unit = next((unit for unit in _FITTING if farthest * unit < SATURATED - 0.5), _FITTING[-1])
    return _numbers(metres, unit), unit


def _is_whole(scaled: npt.NDArray[np.float32]) -> bool:
    """Say whether numbers are whole ones but for what float32 rounds."""
    return float(np.abs(scaled - np.rint(scaled)).max(initial=0)) <= _ROUNDING


def _numbers(metres: npt.NDArray[np.float32], unit: float) -> npt.NDArray[np.uint16]:
    """Return depth in a unit, rounded to the nearest whole number that 16 bits hold."""
    scaled = metres * np.float32(unit)
    np.rint(scaled, out=scaled)
    np.minimum(scaled, np.float32(SATURATED), out=scaled)
    numbers: npt.NDArray[np.uint16] = scaled.astype(np.uint16)
    return numbers
