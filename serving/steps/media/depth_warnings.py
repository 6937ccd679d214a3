"""What is odd about a depth map: warnings with a name that programs can look for, before words for people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.depth import SATURATED
from crosswire.serving.steps.media.depth_units import unit_hint

MOSTLY_HOLES = "depth_mostly_holes"
UNIT_SUSPECT = "depth_unit_suspect"
SATURATED_READINGS = "depth_saturated"
OUT_OF_RANGE = "depth_out_of_range"
_MOST_HOLES = 0.5
_NOTEWORTHY = 0.005
_MOST_BEYOND = 0.25
_NEAREST = 0.02  # of the farthest distance: whole rooms are not that small


def depth_warnings(
    stored: npt.NDArray[Any], metres: npt.NDArray[np.float32], trained: tuple[float, float] | None
) -> list[str]:
    """Name what is odd about a depth map: `reading_warnings` and, where it is mostly holes, `MOSTLY_HOLES`."""
    return reading_warnings(stored, metres, trained) + holes_warnings(np.count_nonzero(metres > 0) / metres.size)


def reading_warnings(
    stored: npt.NDArray[Any], metres: npt.NDArray[np.float32], trained: tuple[float, float] | None
) -> list[str]:
    """Name what is odd about readings; those that are ordinary cost a few looks at their least and largest values.

    Args:
        stored: whole numbers as they were sent, [H, W].
        metres: the same by `crosswire.media.depth.to_metres`.
        trained: metres that the network was trained with, or None if the contract does not say.

    Returns:
        texts that start with `UNIT_SUSPECT`, `SATURATED_READINGS` or `OUT_OF_RANGE` and a colon.
    """
    readings = int(np.count_nonzero(metres > 0))
    warnings = _distance_warnings(stored, metres, readings, trained) if readings and trained is not None else []
    saturated = np.count_nonzero(stored == SATURATED) / stored.size if stored.max() >= SATURATED else 0
    if saturated >= _NOTEWORTHY:
        warnings.append(f"{SATURATED_READINGS}: {_percent(saturated)} of the depth image is 65535, taken as no reading")
    return warnings


def holes_warnings(readings: float, quantity: str = "depth") -> list[str]:
    """Name an image of a geometry that is mostly holes, by the share of its pixels that are readings."""
    holes = 1 - readings
    return [f"{MOSTLY_HOLES}: {holes:.0%} of the {quantity} picture has no reading"] if holes > _MOST_HOLES else []


def _distance_warnings(
    stored: npt.NDArray[Any], metres: npt.NDArray[np.float32], readings: int, trained: tuple[float, float]
) -> list[str]:
    """Name readings, at least one, that lie outside of what a network was trained with."""
    nearest, farthest = trained
    holes = metres.size - readings
    beyond = np.count_nonzero(metres > farthest) if metres.max() > farthest else 0
    below = np.count_nonzero(metres < nearest) - holes if nearest > 0 else 0
    tiny = np.count_nonzero(metres < max(nearest / 2, farthest * _NEAREST)) - holes
    reach, share = f"{nearest:g} to {farthest:g} m", (beyond + below) / metres.size
    if beyond > _MOST_BEYOND * readings or tiny > readings / 2:  # no metres: too many are too far, or most are tiny
        lost = f"; {_percent(share)} of the image lies outside, taken as no reading" if share else ""
        return [
            f"{UNIT_SUSPECT}: the median depth is {float(np.median(metres[metres > 0])):.3g} m, the network was "
            f"trained on {reach}: check depth_units_per_metre{unit_hint(stored, trained)}{lost}"
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
