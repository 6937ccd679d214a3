"""What becomes of the depth map: the sensor's own errors, then worse noise, missing parts and a crop."""

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer
from crosswire.training.datasets.rooms.shapes import Array
from crosswire.training.datasets.sensors import SENSORS, DepthView
from crosswire.training.datasets.sensors.view import smooth_field
from crosswire.training.datasets.tabletops.scene import Crop, TableScene

LARGEST_NOISE = 0.03
"""Share of the depth beyond which an error is not noise but the reading of another surface."""
RAGGED_M = 0.008
"""Width of the frayed edges of a crop."""


def read_depth(scene: TableScene, seen: GeometryBuffer, view: DepthView, rng: np.random.Generator) -> Array:
    """Return what the depth camera reads, float32 [H, W], metres, 0 = no reading.

    Args:
        scene: the table, for its depth camera.
        seen: what the pixels see.
        view: the same as depth cameras need it.
        rng: source of the noise.
    """
    depth = SENSORS[scene.depth.sensor](view, rng)
    if scene.depth.noise != 1:
        error = depth - view.range
        noisy = (depth > 0) & (np.abs(error) < LARGEST_NOISE * view.range)
        depth[noisy] += np.float32(scene.depth.noise - 1) * error[noisy]
    if scene.depth.holes > 0:
        depth[_holes(rng, seen.shape, scene.depth.holes, scene.depth.blocks)] = 0
    if scene.depth.crop is not None:
        depth[_outside(scene, scene.depth.crop, seen, rng)] = 0
    return depth


def _holes(rng: np.random.Generator, shape: tuple[int, int], share: float, blocks: int) -> npt.NDArray[np.bool_]:
    """Draw about a share of the picture, as rectangular blocks or as blobs."""
    if blocks:
        rows = max(1, round(blocks * shape[0] / shape[1]))
        chosen = rng.random((rows, blocks)) < share
        down, across = np.arange(shape[0]) * rows // shape[0], np.arange(shape[1]) * blocks // shape[1]
        return np.asarray(chosen[down[:, None], across])
    field = smooth_field(rng, shape, (7, 9, 1.0), (20, 26, 0.6), (48, 60, 0.4))
    return np.asarray(field < np.quantile(field[::4, ::4], share))


def _outside(scene: TableScene, crop: Crop, seen: GeometryBuffer, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Where a point lies outside the prism upon the table, or too far away."""
    x, y, turn = scene.top.frame
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    rx, ry = seen.point[0] - np.float32(x), seen.point[1] - np.float32(y)
    fray = np.float32(RAGGED_M) * (rng.random(rx.shape, dtype=np.float32) - np.float32(0.5))
    lost = seen.point[2] < np.float32(scene.top.height - crop.below)
    lost |= seen.distance > np.float32(crop.farthest)
    for own, low, high in zip((c * rx + s * ry, c * ry - s * rx), crop.low, crop.high, strict=True):
        own += fray
        lost |= (own < np.float32(low)) | (own > np.float32(high))
    return lost.reshape(seen.shape)
