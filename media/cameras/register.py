"""Depth moved into the colour camera: what the depth camera measured, as the colour camera would have measured it.

Every depth pixel is a patch of a surface, as large as the pixel at its distance. It is moved to the colour camera and
covers the pixels whose centres its rectangle holds, at least the one that its own centre falls into; of several patches
the nearest is kept. What no patch covers has no reading: holes and shadows stay holes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.contract.wire_names import ASPECT_TOLERANCE
from crosswire.media.cameras import lenses
from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.cameras.fit import fitted
from crosswire.media.cameras.splat import Patches, ZBuffer
from crosswire.media.depth import SATURATED, is_reading, to_metres
from crosswire.media.registration import View

#: Colour pixels by which a patch is larger on every side: neighbours on a slanted surface still meet.
MARGIN = 0.25
#: Metres at which the sizes of patches are taken; elsewhere they are scaled by the distances to both cameras.
_REFERENCE = 2.0
_SMALL_STEP = 0.02  # metres from one camera to the other along the axis: too little to change the size of a patch
_WIDEST = 32.0  # half the size that a patch may have, very near the colour camera, colour pixels
_MOST_PIXELS = 1 << 26
#: Share of the readings below which too few fall into the colour image to be sure of the calibration.
LEAST_COVERAGE = 0.3
_BLOCK = 1 << 14  # pixels that are moved at once: their arrays stay in the processor's cache
_Floats = npt.NDArray[np.float32]


def register_depth(
    depth: npt.NDArray[Any],
    camera: RgbdCamera,
    *,
    units_per_metre: float | None = None,
    size: tuple[int, int] | None = None,
) -> npt.NDArray[Any]:
    """Return depth as the colour camera would have measured it.

    Args:
        depth: of the depth camera, [H, W]: metres, float32, or whole units, uint16. No reading are 0, 65535 units, what
            is negative and what is not finite.
        camera: both lenses and how they stand. A lens of another size than its image is scaled where both have one
            aspect ratio.
        units_per_metre: what one metre counts in whole units; needed for uint16.
        size: width and height of the colour image; None for that of its lens.

    Returns:
        Distances along the axis of the colour camera, type and unit as given, [H, W] of the colour image, 0 where there
        is no reading.

    Raises:
        CameraError: the camera does not fit, or whole units have no scale.
    """
    if depth.ndim != 2 or depth.dtype not in (np.float32, np.uint16):
        raise CameraError(
            f"got depth of {depth.dtype} {list(depth.shape)}, expected float32 metres or uint16 units, [H, W]"
        )
    colour, own = View("colour", size or camera.colour.size), View("depth", (depth.shape[1], depth.shape[0]))
    registration = registration_of(fitted(camera, colour, own, ASPECT_TOLERANCE))
    if depth.dtype == np.float32:
        return registration.apply(depth)
    if units_per_metre is None or not 0 < units_per_metre < np.inf:
        raise CameraError(
            f"got uint16 depth and units_per_metre {units_per_metre}, expected units of a metre: 1000 for mm"
        )
    metres = registration.apply(to_metres(depth, units_per_metre))
    units = np.rint(metres * np.float32(units_per_metre))
    return np.where(units < SATURATED, units, 0).astype(np.uint16)


def coverage_warning(share: float) -> str | None:
    """Return what is odd about the share of readings that fall into the colour image, see `Registration.coverage`."""
    if share >= LEAST_COVERAGE:
        return None
    return (
        f"only {share:.0%} of the depth readings fall into the colour image: are the calibration, its unit (metres) "
        "and its direction (from the depth to the colour camera) right?"
    )


@lru_cache(maxsize=8)
def registration_of(camera: RgbdCamera) -> Registration:
    """Return the registration of a camera, made once."""
    return Registration(camera)


class Registration:
    """What moves the depth of one camera; made once, safe to share between threads.

    Attributes:
        camera: the camera.
    """

    def __init__(self, camera: RgbdCamera) -> None:
        """Work out what does not depend on depth: where every depth pixel looks, and how large it is.

        Raises:
            CameraError: an image is too large.
        """
        for name, lens in (("colour", camera.colour), ("depth", camera.depth)):
            if lens.width * lens.height > _MOST_PIXELS:
                raise CameraError(f"got a {name} camera of {lens.width} x {lens.height}, expected at most 67 Mpixel")
        self.camera = camera
        with np.errstate(all="ignore"):  # what a lens does not describe becomes NaN
            self._tables = None if camera.registered else _tables(camera)

    def apply(self, depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return depth in the colour camera, metres, float32 [H, W] of its size, 0 where there is no reading.

        Args:
            depth: metres, float32 [H, W] of the depth camera's size; 0, negative and not finite are no reading.

        Raises:
            CameraError: depth has another size.
        """
        flat = self._checked(depth)
        lens = self.camera.colour
        if self._tables is None:
            return np.where(is_reading(depth), depth, np.float32(0))
        largest = max(float(self._tables.wide.max()), float(self._tables.high.max()))
        nearest = ZBuffer(lens.width, lens.height, largest if self._tables.fixed else _WIDEST)
        with np.errstate(all="ignore"):  # no reading is NaN, and goes nowhere
            for start in range(0, flat.size, _BLOCK):
                part = slice(start, start + _BLOCK)
                nearest.enter(_moved(flat[part], self._tables, part, lens))
            return nearest.image()

    def coverage(self, depth: npt.NDArray[np.float32]) -> float:
        """Return the share of the readings that fall into the colour image, hidden ones too; 1 without readings.

        Raises:
            CameraError: depth has another size.
        """
        flat = self._checked(depth)
        readings = int(np.count_nonzero(is_reading(flat)))
        if self._tables is None or not readings:
            return 1.0
        lens, inside = self.camera.colour, 0
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, _BLOCK):
                part = slice(start, start + _BLOCK)
                patch = _moved(flat[part], self._tables, part, lens)
                across = patch.seen & (patch.column > -0.5) & (patch.column < lens.width - 0.5)
                inside += int(np.count_nonzero(across & (patch.row > -0.5) & (patch.row < lens.height - 0.5)))
        return inside / readings

    def _checked(self, depth: npt.NDArray[np.float32]) -> _Floats:
        """Return depth in one row."""
        lens = self.camera.depth
        if depth.shape != (lens.height, lens.width) or depth.dtype != np.float32:
            raise CameraError(
                f"got depth of {depth.dtype} {list(depth.shape)}, expected float32 {[lens.height, lens.width]} as the "
                "depth camera has; try register_depth, which scales the lens"
            )
        return np.ascontiguousarray(depth).reshape(-1)


@dataclass(frozen=True)
class _Tables:
    """What does not depend on depth, per depth pixel, float32 [H * W].

    Attributes:
        x, y, z: where it looks, in the colour camera, at 1 metre, without the translation. Without distortion x and y
            are those that become columns and rows by the division by z.
        shift: the translation in the same coordinates.
        wide, high: half the size of its patch, colour pixels.
        fixed: whether these hold at every distance; otherwise they are for a patch as far from one camera as from the
            other, without margin.
        bent: whether the colour camera has distortion.
        reach: radius that its distortion describes, at z = 1.
    """

    x: _Floats
    y: _Floats
    z: _Floats
    shift: tuple[float, float, float]
    wide: _Floats
    high: _Floats
    fixed: bool
    bent: bool
    reach: float


def _tables(camera: RgbdCamera) -> _Tables:
    """Return what does not depend on depth."""
    lens, colour = camera.depth, camera.colour
    turn, shift = np.reshape(camera.rotation, (3, 3)), np.asarray(camera.translation)
    looks = lenses.rays(lens) @ turn[:, :2].T + turn[:, 2]
    sizes = _sizes(camera, turn, shift)
    fixed = bool(abs(shift[2]) <= _SMALL_STEP)
    if fixed:
        sizes = np.clip(sizes + MARGIN, 0.5, _WIDEST)
    else:
        sizes *= looks[..., 2:] + shift[2] / _REFERENCE
    bent = lenses.bends(colour)
    if not bent:
        inner = np.array([[colour.fx, 0, colour.cx], [0, colour.fy, colour.cy], [0, 0, 1]])
        looks, shift = looks @ inner.T, inner @ shift
    x, y, z = (_column(looks[..., axis]) for axis in range(3))
    wide, high = (_column(sizes[..., axis]) for axis in range(2))
    moved = float(shift[0]), float(shift[1]), float(shift[2])
    return _Tables(x, y, z, moved, wide, high, fixed, bent, lenses.reach(colour))


def _sizes(
    camera: RgbdCamera, turn: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return half the sizes, in colour pixels, of the rectangles around depth pixels some way off, [H, W, 2]."""
    lens = camera.depth
    edges = np.meshgrid(np.arange(lens.width + 1) - 0.5, np.arange(lens.height + 1) - 0.5)
    corners = _REFERENCE * (lenses.unproject(lens, np.stack(edges, axis=-1)) @ turn[:, :2].T + turn[:, 2]) + shift
    seen = lenses.project(camera.colour, corners)
    across, down = np.abs(np.diff(seen, axis=1)), np.abs(np.diff(seen, axis=0))
    sizes = (across[:-1] + across[1:] + down[:, :-1] + down[:, 1:]) / 4  # half the mean of opposite sides
    return np.where(np.isfinite(sizes), sizes, 0)  # one pixel at the edge of what a lens describes


def _column(values: npt.NDArray[np.float64]) -> _Floats:
    """Return values in one row, as they are worked with."""
    return np.ascontiguousarray(values, np.float32).reshape(-1)


def _moved(depth: _Floats, tables: _Tables, part: slice, lens: Lens) -> Patches:
    """Return the patches of some of the depth pixels."""
    z, x, y = tables.z[part] * depth, tables.x[part] * depth, tables.y[part] * depth
    z += tables.shift[2]
    x += tables.shift[0]
    y += tables.shift[1]
    near = 1 / z
    x *= near
    y *= near
    seen = (depth > 0) & (depth < np.inf) & (z > 0)
    if tables.bent:
        if tables.reach < np.inf:
            seen &= x * x + y * y < tables.reach**2
        x, y = lenses.distort(lens, x, y)
        x, y = lens.fx * x + lens.cx, lens.fy * y + lens.cy
    wide, high = tables.wide[part], tables.high[part]
    if not tables.fixed:
        scale, least, most = depth * near, np.full_like(z, 0.5), np.full_like(z, _WIDEST)
        wide, high = (np.fmin(np.fmax(half * scale + MARGIN, least), most) for half in (wide, high))
    return Patches(z, seen, x, y, wide, high)
