"""How far, and how different, the depth of training frames is: what a network's normalisation is set by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crosswire.contract import Geometry
from crosswire.training.datasets.files.frames import FileFrames
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.datasets.measured import spread

#: Frames that are looked at, spread over the data set, and readings of each.
FRAMES, READINGS = 100, 20_000
_FARTHEST = 99.9  # percentile: stray readings of a sensor lie beyond
_MARGIN = 1.2


@dataclass(frozen=True)
class DepthFigures:
    """Readings of depth, or of other geometry, over some frames, in their unit.

    Attributes:
        frames: that were looked at.
        nearest: reading that 0.1 % lie below.
        median: of all.
        farthest: reading that 0.1 % lie beyond.
        mean: of those up to `farthest`: beyond lie stray readings, as a tenth of a pixel of disparity for a kilometre.
        std: their standard deviation.
        holes: share of pixels without a reading, 0..1.
    """

    frames: int
    nearest: float
    median: float
    farthest: float
    mean: float
    std: float
    holes: float

    def settings(self, geometry: Geometry | None) -> dict[str, float]:
        """Return the settings of `crosswire.training.tasks.segmentation.config.NetworkConfig` that fit, by name.

        The farthest distance is that of the data and a fifth more, so that served frames may differ a little.

        Args:
            geometry: what the readings are; None for depth. Other geometry has no farthest value.
        """
        found = {"depth_mean": _digits(self.mean), "depth_std": _digits(max(self.std, self.mean / 100))}
        if geometry is None or geometry.metric:
            found["depth_farthest"] = _digits(_MARGIN * self.farthest, upwards=True)
        return found


def depth_figures(frames: FileFrames) -> DepthFigures:
    """Measure the depth of some frames of a data set, spread over it.

    Raises:
        DataError: no frame, a file that cannot be used, or no reading in any of them.
    """
    if not len(frames):
        what, cure = "is missing, so there are 0 samples to train on", "write it; test.txt alone is for evaluate --data"
        raise DataError(Problem("train.txt", what, cure))
    chosen = spread(len(frames), FRAMES)
    readings, pixels = [], 0
    for number in chosen:
        depth = frames.depth(number).ravel()
        some = depth[:: max(1, depth.size // READINGS)]
        readings.append(some[some > 0].astype(np.float64))
        pixels += some.size
    values = np.concatenate(readings) if readings else np.zeros(0)
    if not values.size:
        cure = "check the depth files, or train with --set network.streams=rgb,"
        raise DataError(Problem("depth", "no training frame has a reading", cure))
    nearest, median, farthest = (float(one) for one in np.percentile(values, (100 - _FARTHEST, 50, _FARTHEST)))
    holes = 1 - values.size / pixels
    near = values[values <= farthest]
    return DepthFigures(len(chosen), nearest, median, farthest, float(near.mean()), float(near.std()), holes)


def _digits(value: float, *, upwards: bool = False) -> float:
    """Return a number above 0 with three digits, or with two of which the last is raised."""
    digits = (1 if upwards else 2) - math.floor(math.log10(value))
    if not upwards:
        return round(value, digits)
    return float(round(math.ceil(value * 10.0**digits) / 10.0**digits, max(digits, 0)))
