"""What is odd about a depth map: warnings with a name that programs can look for, before words for people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.depth import SATURATED, outside, to_metres
from crosswire.serving.steps.media.depth_units import plausible_metres, unit_hint

MOSTLY_HOLES = "depth_mostly_holes"
UNIT_SUSPECT = "depth_unit_suspect"
SATURATED_READINGS = "depth_saturated"
OUT_OF_RANGE = "depth_out_of_range"
_MOST_HOLES = 0.5
_NOTEWORTHY = 0.005


def depth_warnings(stored: npt.NDArray[Any], units_per_metre: float, trained: tuple[float, float] | None) -> list[str]:
    """Name what is odd about a depth map.

    Args:
        stored: numbers as they were sent, [H, W].
        units_per_metre: what one metre counts in them.
        trained: metres that the network was trained with, or None if the contract does not say.

    Returns:
        texts that start with `UNIT_SUSPECT`, `SATURATED_READINGS`, `OUT_OF_RANGE` or `MOSTLY_HOLES` and a colon.
    """
    metres = to_metres(stored, units_per_metre)
    readings = metres[metres > 0]
    warnings = _distance_warnings(stored, readings, trained) if readings.size and trained is not None else []
    saturated = np.count_nonzero(stored == SATURATED) / stored.size
    if saturated >= _NOTEWORTHY:
        warnings.append(f"{SATURATED_READINGS}: {_percent(saturated)} of the depth image is 65535, taken as no reading")
    holes = 1 - readings.size / metres.size
    if holes > _MOST_HOLES:
        warnings.append(f"{MOSTLY_HOLES}: {holes:.0%} of the depth picture has no reading")
    return warnings


def _distance_warnings(
    stored: npt.NDArray[Any], readings: npt.NDArray[np.float32], trained: tuple[float, float]
) -> list[str]:
    """Name readings, float32 [n] in metres, that lie outside of what a network was trained with."""
    reach = f"{trained[0]:g} to {trained[1]:g} m"
    share = np.count_nonzero(outside(readings, trained)) / stored.size
    if not plausible_metres(readings, trained):
        lost = f"; {_percent(share)} of the image lies outside, taken as no reading" if share else ""
        return [
            f"{UNIT_SUSPECT}: the median depth is {float(np.median(readings)):.3g} m, the network was trained on "
            f"{reach}: check depth_units_per_metre{unit_hint(stored, trained)}{lost}"
        ]
    if share < _NOTEWORTHY:
        return []
    return [
        f"{OUT_OF_RANGE}: {_percent(share)} of the depth image lies outside the {reach} that the network was trained "
        "on, taken as no reading"
    ]


def _percent(share: float) -> str:
    """Return a share, 0..1, with a digit after the point where it is small."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
