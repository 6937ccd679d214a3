"""What is odd about a depth map: warnings with a name that programs can look for, before words for people."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MOSTLY_HOLES = "depth_mostly_holes"
UNIT_SUSPECT = "depth_unit_suspect"
_MOST_HOLES = 0.5
_MOST_BEYOND = 0.25
_NEAREST = 0.02  # of the farthest distance: whole rooms are not that small
_FACTORS = (1000.0, 0.001, 5.0, 0.2, 10.0, 0.1, 100.0, 0.01)


def depth_warnings(depth: npt.NDArray[np.float32], trained: tuple[float, float] | None) -> list[str]:
    """Name what is odd about a depth map.

    Args:
        depth: float32 [H, W] in metres; 0 is no reading.
        trained: metres that the network was trained with, or None if the contract does not say.

    Returns:
        texts that start with `MOSTLY_HOLES` or `UNIT_SUSPECT` and a colon.
    """
    readings = depth[depth > 0]
    holes = 1 - readings.size / depth.size
    warnings = []
    if holes > _MOST_HOLES:
        warnings.append(f"{MOSTLY_HOLES}: {holes:.0%} of the depth picture has no reading")
    if readings.size and trained is not None and not _fits(readings, trained):
        middle = float(np.median(readings))
        warnings.append(
            f"{UNIT_SUSPECT}: the median depth is {middle:.3g} m, the network was trained on {trained[0]:g} to "
            f"{trained[1]:g} m: check depth_units_per_metre{_hint(readings, trained)}"
        )
    return warnings


def _fits(readings: npt.NDArray[np.float32], trained: tuple[float, float]) -> bool:
    """Say whether readings look like metres: hardly any beyond the farthest distance, and not all of them tiny."""
    nearest = max(trained[0] / 2, trained[1] * _NEAREST)
    beyond, tiny = np.count_nonzero(readings > trained[1]), np.count_nonzero(readings < nearest)
    return bool(beyond <= _MOST_BEYOND * readings.size and tiny <= readings.size / 2)


def _hint(readings: npt.NDArray[np.float32], trained: tuple[float, float]) -> str:
    """Return by how much the scale is off, if one of the usual mistakes would explain it."""
    for factor in _FACTORS:
        if _fits(readings / np.float32(factor), trained):
            return f"; {factor:g} times the one that was used would fit"
    return ""
