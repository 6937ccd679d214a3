"""Depth cameras: each module turns what a camera looks at into what it reads, with the noise and holes of its kind.

``SENSORS[name](view, rng)`` returns a depth map. Sizes in pixels are those of the real camera and are scaled to the
picture, so that the same scene at twice the size loses the same share of its readings.
"""

from collections.abc import Callable

import numpy as np

from crosswire.contract.errors import UsageError
from crosswire.training.datasets.sensors import kinect_v1, kinect_v2, realsense
from crosswire.training.datasets.sensors.view import Array, DepthView

__all__ = ["SENSORS", "DepthView", "check_sensor"]


def _ideal(view: DepthView, rng: np.random.Generator) -> Array:
    """Read the true range everywhere."""
    return view.range.copy()


SENSORS: dict[str, Callable[[DepthView, np.random.Generator], Array]] = {
    "none": _ideal,
    "kinect-v1": kinect_v1.measure,
    "kinect-v2": kinect_v2.measure,
    "realsense": realsense.measure,
}
"""By name: takes a view and a source of noise, returns depth, float32 [H, W], metres, 0 = no reading."""


def check_sensor(name: str | None) -> None:
    """Refuse a name that is none.

    Raises:
        UsageError: an unknown name, with those that exist.
    """
    if name is not None and name not in SENSORS:
        raise UsageError(f"depth sensor {name!r} is unknown; allowed are {', '.join(SENSORS)}")
