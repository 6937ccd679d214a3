"""From which side a cloud was taken: which of its axes is depth, and the pinhole camera that saw it.

No format says how axes point. In a camera's own coordinates the column of a pixel is fx X / Z + cx and its row
fy Y / Z + cy, so a line through the points of an image tells whether axes are named rightly, and the camera with it.
Tried are the axes of cameras (z forward), of robots (x forward, z up) and of graphics (z backward), each as they are
stored and turned back by the viewpoint that PCD has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import Lens
from crosswire.media.recordings.clouds.cloud import Cloud, CloudError

#: Names of axes, and what turns points in them into right, down, forward.
_AXES = {
    "z forward": np.eye(3),
    "x forward, z up": np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
    "z backward, y up": np.diag([1.0, -1.0, -1.0]),
}
#: How far, pixels, half of the points may lie from where a camera would see them: lenses bend, pinholes do not.
_FARTHEST = 2.0
_FEWEST = 50
_SAMPLES = 20000


@dataclass(frozen=True)
class Sight:
    """How a cloud was seen.

    Attributes:
        axes: which way they point, in words.
        turn: turns a point into right, down, forward, [3, 3].
        origin: is taken from points before.
        lens: the camera.
        error: how far half of the points lie from where it sees them, pixels.
        mirrored: whether the image is a mirror of the scene; the lens is that of the mirror.
    """

    axes: str
    turn: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]
    lens: Lens
    error: float
    mirrored: bool

    def depth(self, cloud: Cloud) -> npt.NDArray[np.float32]:
        """Return the depth of a cloud, unit of its points, float32 [H, W], 0 where there is no reading."""
        with np.errstate(all="ignore"):  # what is not finite, or is not in a damaged file
            forward = (cloud.points - self.origin.astype(np.float32)) @ self.turn[2].astype(np.float32)
        return np.where(np.isfinite(forward) & (forward > 0), forward, np.float32(0)).astype(np.float32)


def sight_of(cloud: Cloud) -> Sight:
    """Return how a cloud was seen.

    Raises:
        CloudError: it has too few points, or no camera sees it so.
    """
    rows, columns = np.nonzero(np.isfinite(cloud.points).all(axis=2) & (cloud.points != 0).any(axis=2))
    if len(rows) < _FEWEST:
        raise CloudError(f"holds {len(rows)} readings, expected {_FEWEST} or more; export another frame")
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLES)).astype(int)
    rows, columns = rows[chosen], columns[chosen]
    points = cloud.points[rows, columns].astype(np.float64)
    found = []
    for turned, origin, words in _views(cloud):
        for axes, turn in _AXES.items():
            with np.errstate(all="ignore"):
                sight = _fitted(cloud, points, (columns, rows), turn @ turned, origin)
            found += [replace(sight, axes=axes + words)] if sight is not None else []
    best = min(found, key=lambda one: one.error, default=None)
    if best is None:
        raise CloudError(
            "holds points that no camera sees in this order; expected one image of a camera, no LiDAR's rings"
        )
    return best


def _views(cloud: Cloud) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], str]]:
    """Return what turns points back into the sensor, its place, and words for it: as they are, and as PCD says."""
    views = [(np.eye(3), np.zeros(3), "")]
    w, x, y, z = cloud.turn
    norm = w * w + x * x + y * y + z * z
    moved = any(cloud.position) or abs(w) < 0.999999 * norm**0.5
    if moved and norm > 0:
        s = 2 / norm
        rotation = np.array(
            [
                [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
                [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
                [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
            ]
        )
        views.append((rotation.T, np.array(cloud.position), ", seen from the viewpoint in the header"))
    return views


def _fitted(
    cloud: Cloud,
    points: npt.NDArray[np.float64],
    pixels: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
    turn: npt.NDArray[np.float64],
    origin: npt.NDArray[np.float64],
) -> Sight | None:
    """Return the camera that sees points at pixels once they are turned; None where none does."""
    points = (points - origin) @ turn.T
    front = points[:, 2] > 0
    if front.mean() < 0.99:
        return None
    slopes = points[front, :2] / points[front, 2:]
    lines, errors = [], []
    for axis in (0, 1):
        at = pixels[axis][front].astype(np.float64)
        line = _line(slopes[:, axis], at)
        lines.append(line)
        errors.append(float(np.median(np.abs(line[0] * slopes[:, axis] + line[1] - at))))
    (fx, cx), (fy, cy) = lines
    if not (max(errors) <= _FARTHEST and fy > 0 and abs(fx) > 0 and np.isfinite([fx, fy, cx, cy]).all()):
        return None
    height, width = cloud.points.shape[:2]
    lens = Lens(width, height, abs(fx), fy, cx, cy)
    return Sight("", turn, origin, lens, max(errors), fx < 0)


def _line(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the line through points that misses least, by its squares."""
    around = x - x.mean()
    spread = float((around * around).sum())
    slope = float((around * y).sum()) / spread if spread > 0 else 0.0
    return slope, float(y.mean()) - slope * float(x.mean())
