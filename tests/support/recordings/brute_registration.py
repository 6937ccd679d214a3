"""Registration written a second time, as slowly and plainly as possible, to compare the quick one with.

Nothing is shared with `media/cameras/register.py` but the description of a camera: float64, one patch after the other,
every patch with its own four corners at its own distance, rays found by repeated substitution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera

Numbers = npt.NDArray[np.float64]


def bent(lens: Lens, points: Numbers) -> Numbers:
    """Return where points [N, 2] at z = 1 appear, by the formulas of OpenCV's documentation."""
    x, y = points.T
    k = [*lens.coefficients, *(0.0,) * 8][:8]
    squares = x**2 + y**2
    if lens.distortion is Distortion.KANNALA_BRANDT:
        angle = np.arctan(np.sqrt(squares))
        long = angle * (1 + k[0] * angle**2 + k[1] * angle**4 + k[2] * angle**6 + k[3] * angle**8)
        return points * np.where(squares > 0, long / np.sqrt(np.maximum(squares, 1e-300)), 1)[:, None]
    radial = (1 + k[0] * squares + k[1] * squares**2 + k[4] * squares**3) / (
        1 + k[5] * squares + k[6] * squares**2 + k[7] * squares**3
    )
    moved = points * radial[:, None]
    if lens.distortion is Distortion.INVERSE_BROWN_CONRADY:
        x, y = moved.T
    aside = 2 * k[2] * x * y + k[3] * (squares + 2 * x**2)
    down = k[2] * (squares + 2 * y**2) + 2 * k[3] * x * y
    return moved + np.stack((aside, down), axis=1)


def looks(lens: Lens, pixels: Numbers) -> Numbers:
    """Return x and y at z = 1 of pixels [N, 2]."""
    wanted = (pixels - (lens.cx, lens.cy)) / (lens.fx, lens.fy)
    found = wanted.copy()
    for _ in range(100 if any(lens.coefficients) else 0):
        found = found + 0.8 * (wanted - bent(lens, found))
    return found


def brute_registration(
    depth: npt.NDArray[Any], camera: RgbdCamera, margin: float, centres: bool = False
) -> npt.NDArray[np.float64]:
    """Return depth [H, W] in the colour camera, every patch larger by a margin, pixels, on every side.

    Args:
        depth: metres, 0 for no reading.
        camera: the camera.
        margin: colour pixels.
        centres: whether a patch is only the pixel that its centre falls into.
    """
    lens, colour = camera.depth, camera.colour
    turn, shift = np.reshape(camera.rotation, (3, 3)), np.array(camera.translation)
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns].astype(np.float64)

    def seen(aside: float, down: float) -> tuple[Numbers, Numbers]:
        flat = looks(lens, np.stack((columns + aside, rows + down), axis=1).astype(np.float64))
        points = (np.column_stack((flat, np.ones(len(flat)))) * z[:, None]) @ turn.T + shift
        pixels = bent(colour, points[:, :2] / points[:, 2:]) * (colour.fx, colour.fy) + (colour.cx, colour.cy)
        return pixels, points[:, 2]

    centre, distance = seen(0, 0)
    corners = np.stack([seen(aside, down)[0] for aside in (-0.5, 0.5) for down in (-0.5, 0.5)])
    low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    low, high = np.minimum(low, centre - 0.5), np.maximum(high, centre + 0.5)
    if centres:
        low, high = centre - 0.5, centre + 0.5
    nearest = np.full((colour.height, colour.width), np.inf)
    for (left, top), (right, bottom), value in zip(np.ceil(low), np.floor(high), distance, strict=True):
        if value <= 0 or right < 0 or bottom < 0:
            continue
        box = nearest[int(max(top, 0)) : int(bottom) + 1, int(max(left, 0)) : int(right) + 1]
        np.minimum(box, value, out=box)
    return np.where(np.isfinite(nearest), nearest, 0)


def agreement(one: npt.NDArray[Any], other: npt.NDArray[Any], tolerance: float = 1e-3, between: bool = False) -> float:
    """Return the share of one's readings that the other has within a tolerance, metres, at most one pixel away.

    Args:
        one: depth, metres.
        other: the same by other means.
        tolerance: metres.
        between: whether a reading may also lie between two that are at most one pixel away: where a pixel holds many
            patches of a slanted surface, which one is the nearest depends on what is called a pixel.
    """
    padded = np.pad(other.astype(np.float64), 1)
    height, width = one.shape
    closest, low, high = (np.full(one.shape, value) for value in (np.inf, np.inf, -np.inf))
    for down in range(3):
        for aside in range(3):
            near = padded[down : down + height, aside : aside + width]
            closest = np.minimum(closest, np.where(near > 0, np.abs(near - one), np.inf))
            low, high = np.minimum(low, np.where(near > 0, near, np.inf)), np.maximum(high, near)
    readings = one > 0
    good = closest <= tolerance
    if between:
        good |= (low <= one + tolerance) & (one <= high + tolerance)
    return float(good[readings].mean()) if readings.any() else 1.0
