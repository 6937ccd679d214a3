"""Which unit a depth image is in, where its numbers say so: scales in use, rotated bits, swapped bytes.

A number is proposed only where one scale alone makes rooms of the numbers; a wrong proposal that is followed would
silence the warning and leave the mistake.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.depth import is_reading, outside, to_metres

#: Values per metre in use: metres, centimetres, KITTI, millimetres, TUM and NYUv2, tenths of a millimetre.
UNITS_IN_USE = (1.0, 100.0, 256.0, 1000.0, 5000.0, 10_000.0)
ROTATED_UNITS = 8000.0  # millimetres, their bits rotated to the left by three: SUN RGB-D
_MOST_BEYOND = 0.02
_MIDDLE = (0.1, 0.6)  # of the farthest distance: where the median of a room lies
_ALMOST_ALL, _FEWEST_VALUES = 0.95, 16
_SMOOTHER = 4
_ROUGH = 0.1  # of the median: no surfaces, whatever the unit


def unit_hint(stored: npt.NDArray[Any], trained: tuple[float, float]) -> str:
    """Say what would explain numbers that are no metres in the unit they came with.

    Args:
        stored: numbers as they were sent, [H, W].
        trained: metres that the network was trained with.

    Returns:
        words to add to a warning, with the one unit that fits; nothing where none or several do.
    """
    whole = stored.astype(np.uint16) if stored.dtype.kind in "ui" else None
    if whole is not None and _bytes_swapped(whole):
        return "; neighbours differ as in a file whose bytes were swapped: write 16 bits in the order of the format"
    if whole is not None and _multiples(whole, 8):
        turned = (whole >> 3) | (whole << 13)
        if _room(to_metres(turned, 1000.0), trained):
            return f"; {ROTATED_UNITS:g} fits: these look like millimetres rotated left by three bits, as in SUN RGB-D"
        return ""
    if whole is not None and _roughness(whole) > _ROUGH * float(np.median(whole[is_reading(whole)])):
        return ""
    units = (5000.0,) if whole is not None and _multiples(whole, 5) else UNITS_IN_USE
    fitting = [unit for unit in units if _room(to_metres(stored, unit), trained)]
    return f"; {fitting[0]:g} would fit" if len(fitting) == 1 else ""


def _room(metres: npt.NDArray[np.float32], trained: tuple[float, float]) -> bool:
    """Say whether a depth map is one of the rooms that a network was trained with."""
    readings = metres[metres > 0]
    if not readings.size:
        return False
    low, high = (share * trained[1] for share in _MIDDLE)
    beyond = np.count_nonzero(outside(readings, trained)) / readings.size
    return bool(low <= np.median(readings) <= high and beyond <= _MOST_BEYOND)


def _multiples(stored: npt.NDArray[np.uint16], step: int) -> bool:
    """Say whether nearly all readings are multiples of a number, which a few different values may be by chance."""
    readings = stored[is_reading(stored)]
    if np.count_nonzero(readings % step == 0) < _ALMOST_ALL * readings.size:
        return False
    return bool(np.unique(readings).size >= _FEWEST_VALUES)


def _bytes_swapped(stored: npt.NDArray[np.uint16]) -> bool:
    """Say whether the surfaces of an image become far smoother once the bytes of every number are swapped."""
    as_sent, swapped = _roughness(stored), _roughness(stored.byteswap())
    return as_sent > _SMOOTHER * max(swapped, 1.0)


def _roughness(stored: npt.NDArray[np.uint16]) -> float:
    """Return the median difference of neighbours in a row that are both readings."""
    readings = is_reading(stored)
    both = readings[:, 1:] & readings[:, :-1]
    steps = np.abs(np.diff(stored.astype(np.int32), axis=1))[both]
    return float(np.median(steps)) if steps.size else 0.0
