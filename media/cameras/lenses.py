"""From points to pixels and back, through the distortion of a lens: OpenCV's and librealsense's models in numpy.

A point at (X, Y, Z) is seen at x = X / Z, y = Y / Z; `distort` bends that, and the pixel is (fx x + cx, fy y + cy).
The way back has no formula and is solved by Newton's method. Polynomials bend back far outside the image that they were
fitted to: what lies beyond that radius, `reach`, is not seen, instead of being seen in the wrong place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import Distortion, Lens

#: Pixels by which a ray may miss the pixel that it was solved for.
TOLERANCE = 1e-3
_STEPS = 40
_FURTHEST = 20.0  # x and y of 87 degrees off the axis: no lens but a fish-eye sees further
_Floats = npt.NDArray[np.floating[Any]]


def project(lens: Lens, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the pixels at which points are seen.

    Args:
        lens: of the camera.
        points: x, y, z in its coordinates, any unit, [..., 3].

    Returns:
        Columns and rows, [..., 2], inside the image or not; NaN where a point is not in front of the camera, or beyond
        what its distortion describes.
    """
    given = np.asarray(points, np.float64)
    seen = given[..., 2] > 0
    depth = np.where(seen, given[..., 2], np.nan)
    x, y = given[..., 0] / depth, given[..., 1] / depth
    inside = x * x + y * y <= reach(lens) ** 2
    across, down = distort(lens, np.where(inside, x, np.nan), np.where(inside, y, np.nan))
    return np.stack((lens.fx * across + lens.cx, lens.fy * down + lens.cy), axis=-1)


def unproject(lens: Lens, pixels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return x and y, at z = 1, of what is seen at pixels.

    Args:
        lens: of the camera.
        pixels: columns and rows, [..., 2].

    Returns:
        [..., 2]; NaN where nothing is seen there: the pixel lies beyond what the distortion describes.
    """
    given = np.asarray(pixels, np.float64)
    across, down = (given[..., 0] - lens.cx) / lens.fx, (given[..., 1] - lens.cy) / lens.fy
    if not bends(lens):
        return np.stack((across, down), axis=-1)
    solve = _solve_angle if lens.distortion is Distortion.KANNALA_BRANDT else _solve
    return np.stack(solve(lens, across, down), axis=-1)


def rays(lens: Lens) -> npt.NDArray[np.float64]:
    """Return x and y, at z = 1, of what every pixel sees, [H, W, 2]; NaN as in `unproject`."""
    rows, columns = np.mgrid[: lens.height, : lens.width]
    return unproject(lens, np.stack((columns, rows), axis=-1))


def bends(lens: Lens) -> bool:
    """Return whether a lens differs from a pinhole: a fish-eye does without coefficients, too."""
    return lens.distortion is Distortion.KANNALA_BRANDT or any(lens.coefficients)


def distort(lens: Lens, x: _Floats, y: _Floats) -> tuple[_Floats, _Floats]:
    """Bend what a pinhole would see at x and y; arrays of one shape, in their own precision."""
    if not bends(lens):
        return x, y
    squares = x * x + y * y
    if lens.distortion is Distortion.KANNALA_BRANDT:
        radius = np.sqrt(squares)
        scale = _bent_angle(lens, np.arctan(radius)) / np.maximum(radius, np.finfo(radius.dtype).tiny)
        scale = np.where(radius > 0, scale, 1).astype(radius.dtype)
        return x * scale, y * scale
    scale = _scale(lens, squares)
    p1, p2 = lens.coefficients[2:4]
    across, down = x * scale, y * scale
    if not (p1 or p2):
        return across, down
    if lens.distortion is Distortion.INVERSE_BROWN_CONRADY:
        x, y = across, down
    twice = 2 * (p1 * y + p2 * x)  # 2 p1 x y + 2 p2 x x = x * twice, and with y likewise
    return across + x * twice + p2 * squares, down + y * twice + p1 * squares


@lru_cache(maxsize=64)
def reach(lens: Lens) -> float:
    """Return the largest radius at z = 1 that the distortion describes: from there on points come back to the axis."""
    if lens.distortion is Distortion.KANNALA_BRANDT:
        angles = np.linspace(0, np.pi / 2, 20001)
        back = np.flatnonzero(np.diff(_bent_angle(lens, angles)) <= 0)
        return float(np.tan(angles[back[0]])) if back.size else np.inf
    if not any(lens.coefficients):
        return np.inf
    radii = np.linspace(0, _FURTHEST, 40001)
    with np.errstate(divide="ignore", invalid="ignore"):
        back = np.flatnonzero(~(np.diff(radii * _scale(lens, radii**2)) > 0))
    return float(radii[back[0]]) if back.size else np.inf


def _scale(lens: Lens, squares: _Floats) -> _Floats:
    """Return the factor of the radius, by its square."""
    k1, k2, _, _, k3, *more = lens.coefficients
    scale = ((k3 * squares + k2) * squares + k1) * squares + 1
    if any(more):
        k4, k5, k6 = more
        scale = scale / (((k6 * squares + k5) * squares + k4) * squares + 1)
    return scale


def _slope(lens: Lens, squares: _Floats) -> _Floats:
    """Return the derivative of `_scale`."""
    k1, k2, _, _, k3, *more = lens.coefficients
    slope = (3 * k3 * squares + 2 * k2) * squares + k1
    if any(more):
        k4, k5, k6 = more
        below = ((k6 * squares + k5) * squares + k4) * squares + 1
        slope = (slope - _scale(lens, squares) * ((3 * k6 * squares + 2 * k5) * squares + k4)) / below
    return slope


def _solve(lens: Lens, across: _Floats, down: _Floats) -> tuple[_Floats, _Floats]:
    """Return the points that `distort` bends to the given ones, by Newton's method; NaN where there are none."""
    edge = min(reach(lens), _FURTHEST)
    p1, p2 = lens.coefficients[2:4]
    x, y = across.copy(), down.copy()
    with np.errstate(all="ignore"):  # points without a solution may run anywhere: they become NaN
        for _ in range(_STEPS):
            radii = np.hypot(x, y)
            back = np.where(radii > edge, edge / radii, 1)
            x, y = x * back, y * back
            seen = distort(lens, x, y)
            miss_x, miss_y = seen[0] - across, seen[1] - down
            if not np.any(np.hypot(miss_x, miss_y) > 1e-13):
                break
            squares = x * x + y * y
            scale, slope = _scale(lens, squares), 2 * _slope(lens, squares)
            a = scale + slope * x * x + 2 * p1 * y + 6 * p2 * x
            b = slope * x * y + 2 * p1 * x + 2 * p2 * y
            d = scale + slope * y * y + 6 * p1 * y + 2 * p2 * x
            determinant = a * d - b * b
            x, y = x - (d * miss_x - b * miss_y) / determinant, y - (a * miss_y - b * miss_x) / determinant
        seen = distort(lens, x, y)
        far = np.hypot(lens.fx * (seen[0] - across), lens.fy * (seen[1] - down))
        good = (far < TOLERANCE) & (np.hypot(x, y) <= edge)
    return np.where(good, x, np.nan), np.where(good, y, np.nan)


def _solve_angle(lens: Lens, across: _Floats, down: _Floats) -> tuple[_Floats, _Floats]:
    """Return the same for a fish-eye lens: only the angle is unknown."""
    bent = np.hypot(across, down)
    edge = float(np.arctan(min(reach(lens), 1e6)))
    angle = np.minimum(bent, edge)
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            miss = _bent_angle(lens, angle) - bent
            if not np.any(np.abs(miss) > 1e-14):
                break
            angle = np.clip(angle - miss / _bent_slope(lens, angle), 0, edge)
        good = np.abs(_bent_angle(lens, angle) - bent) * max(lens.fx, lens.fy) < TOLERANCE
        scale = np.where(bent > 0, np.tan(angle) / bent, 1)
    return np.where(good, across * scale, np.nan), np.where(good, down * scale, np.nan)


def _bent_angle(lens: Lens, angle: _Floats) -> _Floats:
    """Return θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸)."""
    k1, k2, k3, k4 = lens.coefficients
    squares = angle * angle
    return np.asarray(angle * ((((k4 * squares + k3) * squares + k2) * squares + k1) * squares + 1), angle.dtype)


def _bent_slope(lens: Lens, angle: _Floats) -> _Floats:
    """Return the derivative of `_bent_angle`."""
    k1, k2, k3, k4 = (power * k for power, k in zip((3, 5, 7, 9), lens.coefficients, strict=True))
    squares = angle * angle
    return np.asarray((((k4 * squares + k3) * squares + k2) * squares + k1) * squares + 1, angle.dtype)
