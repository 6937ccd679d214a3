"""Disparity of Cityscapes, in pixels, and the depth that it is with the camera that saw it.

Source: the data set's own documentation. A stored value p above 0 is a disparity d = (p - 1) / 256 pixels, 0 is none;
with the stereo pair's baseline b, metres, and focal length f_x, pixels, depth is b f_x / d metres.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.contract import Geometry
from crosswire.training.datasets.files.images import Depth
from crosswire.training.datasets.files.problems import DataError, Problem, missing_file

#: Stored difference that is one pixel of disparity.
UNITS_PER_PIXEL = 256
#: How 16-bit images hold it, for a served network; (p - 1) / 256 is read as p / 256, one stored step more.
GEOMETRY = Geometry("disparity", UNITS_PER_PIXEL, missing=0)
_CURE = "take the original file of disparity_trainvaltest.zip, 16-bit grey"


@dataclass(frozen=True)
class StereoCamera:
    """What makes depth of disparity.

    Attributes:
        baseline: distance of the two cameras, metres.
        focal: focal length f_x, pixels.
    """

    baseline: float
    focal: float

    def depth(self, stored: NDArray[Any], file: str) -> Depth:
        """Return depth, float32 [H, W] in metres, 0 = no reading, of stored disparity [H, W].

        Disparity 0, which is stored as 1, is infinitely far and no reading either.

        Raises:
            DataError: no stored disparity of Cityscapes.
        """
        disparity = _pixels(stored, file)
        safe = np.where(disparity > 0, disparity, np.inf)
        return np.asarray(self.baseline * self.focal / safe, np.float32)


def disparity(stored: NDArray[Any], file: str) -> Depth:
    """Return disparity, float32 [H, W] in pixels, 0 = no reading, of stored disparity [H, W].

    Disparity 0, which is stored as 1, becomes the smallest above it, as 0 says "no reading" to every network.

    Raises:
        DataError: no stored disparity of Cityscapes.
    """
    found = _pixels(stored, file)
    return np.where(stored > 0, np.maximum(found, 1 / UNITS_PER_PIXEL), 0).astype(np.float32)


def read_camera(path: Path) -> StereoCamera:
    """Read baseline and focal length of a `_camera.json`.

    Raises:
        DataError: a file that is missing or unreadable, or has not both numbers.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(missing_file(path)) from None
    except (OSError, ValueError) as error:
        cure = "extract camera_trainvaltest.zip again"
        raise DataError(Problem(str(path), f"cannot be read ({error})", cure)) from error
    return StereoCamera(_number(plain, "extrinsic", "baseline", path), _number(plain, "intrinsic", "fx", path))


def _pixels(stored: NDArray[Any], file: str) -> NDArray[np.float64]:
    """Return disparity in pixels, 0 where there is none.

    Raises:
        DataError: floats, or numbers that 8 bits hold.
    """
    if stored.dtype != np.uint16:
        raise DataError(Problem(file, f"holds {stored.dtype}, expected whole numbers of 16 bits", _CURE))
    if stored.size and 0 < stored.max() < UNITS_PER_PIXEL:
        what = f"holds numbers up to {stored.max()}, as 8 bits do; disparity has {UNITS_PER_PIXEL} per pixel"
        raise DataError(Problem(file, what, _CURE))
    return np.maximum(stored.astype(np.float64) - 1, 0) / UNITS_PER_PIXEL


def _number(plain: Any, section: str, key: str, path: Path) -> float:
    """Return a number above 0 of a camera file.

    Raises:
        DataError: it is missing, no number, or 0 or less.
    """
    part = plain.get(section) if isinstance(plain, dict) else None
    value = part.get(key) if isinstance(part, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        what = f"has {section}.{key} {value!r}, expected a number above 0"
        raise DataError(Problem(str(path), what, "extract camera_trainvaltest.zip again"))
    return float(value)
