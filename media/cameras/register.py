"""Depth moved into the colour camera: what the depth camera measured, as the colour camera would have measured it.

Every depth pixel is a patch of a surface, as large as the pixel at its distance. It is moved to the colour camera and
covers the pixels whose centres its rectangle holds, at least the one that its own centre falls into; of several patches
the nearest is kept. What no patch covers has no reading: holes and shadows stay holes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras import lenses
from crosswire.media.cameras.camera import CameraError, Lens, RgbdCamera
from crosswire.media.depth import SATURATED, is_reading, to_metres

#: Colour pixels by which a patch is larger on every side: neighbours on a slanted surface still meet.
MARGIN = 0.25
#: Metres at which the sizes of patches are taken; elsewhere they are scaled by the distances to both cameras.
_REFERENCE = 2.0
_MOST_PIXELS = 1 << 26
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
    registration = registration_of(fitted(camera, (depth.shape[1], depth.shape[0]), size))
    if depth.dtype == np.float32:
        return registration.apply(depth)
    if units_per_metre is None or not 0 < units_per_metre < np.inf:
        raise CameraError(
            f"got uint16 depth and units_per_metre {units_per_metre}, expected units of a metre: 1000 for mm"
        )
    metres = registration.apply(to_metres(depth, units_per_metre))
    units = np.rint(metres * np.float32(units_per_metre))
    return np.where(units < SATURATED, units, 0).astype(np.uint16)


def fitted(camera: RgbdCamera, depth: tuple[int, int], colour: tuple[int, int] | None = None) -> RgbdCamera:
    """Return the camera with lenses of the sizes that its images have, width and height.

    Raises:
        CameraError: an image has another aspect ratio than its lens, so that nobody knows what was cut off.
    """
    lens, other = _scaled(camera.depth, depth, "depth"), _scaled(camera.colour, colour, "colour")
    return camera if (lens, other) == (camera.depth, camera.colour) else replace(camera, depth=lens, colour=other)


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
        nearest = np.full(lens.width * lens.height + 1, np.inf, np.float32)  # the last takes what is not seen
        with np.errstate(all="ignore"):  # no reading is NaN, and goes nowhere
            for start in range(0, flat.size, _BLOCK):
                part = slice(start, start + _BLOCK)
                _splat(_moved(flat[part], self._tables, part, self.camera), lens, nearest)
        seen = nearest[:-1].reshape(lens.height, lens.width)
        np.copyto(seen, 0, where=seen == np.inf)
        return seen

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
                patch = _moved(flat[part], self._tables, part, self.camera)
                across = (patch.column > -0.5) & (patch.column < lens.width - 0.5)
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
        x, y, z: where it looks, in the colour camera, at 1 metre, without the translation.
        wide, high: half the size of its patch in colour pixels, where the distances to both cameras are the same.
    """

    x: _Floats
    y: _Floats
    z: _Floats
    wide: _Floats
    high: _Floats


@dataclass(frozen=True)
class _Patches:
    """Patches in the colour camera, float32; NaN where there is none.

    Attributes:
        z: distances, metres.
        column, row: of their centres.
        wide, high: half their sizes, at least half a pixel.
    """

    z: _Floats
    column: _Floats
    row: _Floats
    wide: _Floats
    high: _Floats


def _tables(camera: RgbdCamera) -> _Tables:
    """Return what does not depend on depth."""
    lens = camera.depth
    turn, shift = np.reshape(camera.rotation, (3, 3)), np.asarray(camera.translation)
    looks = lenses.rays(lens)
    turned = looks @ turn[:, :2].T + turn[:, 2]
    corners = lenses.unproject(
        lens, np.stack(np.meshgrid(np.arange(lens.width + 1) - 0.5, np.arange(lens.height + 1) - 0.5), axis=-1)
    )
    moved = _REFERENCE * (corners @ turn[:, :2].T + turn[:, 2]) + shift
    seen = lenses.project(camera.colour, moved)
    along = np.abs(np.diff(seen, axis=1)), np.abs(np.diff(seen, axis=0))
    sizes = (
        along[0][:-1] + along[0][1:] + along[1][:, :-1] + along[1][:, 1:]
    ) / 4  # half of the mean of two sides each
    sizes *= turned[..., 2:] + shift[2] / _REFERENCE
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 0)  # at the edge of what a lens describes: one pixel
    columns = (*np.moveaxis(turned, -1, 0), *np.moveaxis(sizes, -1, 0))
    return _Tables(*(np.ascontiguousarray(one, np.float32).reshape(-1) for one in columns))


def _moved(depth: _Floats, tables: _Tables, part: slice, camera: RgbdCamera) -> _Patches:
    """Return the patches of some of the depth pixels."""
    lens, (shift_x, shift_y, shift_z) = camera.colour, camera.translation
    depth = np.where(is_reading(depth), depth, np.float32(np.nan))
    z = tables.z[part] * depth + shift_z
    near = 1 / z
    x, y = (tables.x[part] * depth + shift_x) * near, (tables.y[part] * depth + shift_y) * near
    edge = lenses.reach(lens)
    hidden = ~(z > 0) if edge == np.inf else ~((z > 0) & (x * x + y * y < edge * edge))
    np.copyto(z, np.nan, where=hidden)
    x, y = lenses.distort(lens, x, y)
    scale = depth * near
    return _Patches(
        z,
        lens.fx * x + lens.cx,
        lens.fy * y + lens.cy,
        np.maximum(tables.wide[part] * scale + MARGIN, 0.5),
        np.maximum(tables.high[part] * scale + MARGIN, 0.5),
    )


def _splat(patches: _Patches, lens: Lens, nearest: _Floats) -> None:
    """Enter patches into the nearest distances, [H * W + 1], of the colour camera."""
    left = np.maximum(np.ceil(patches.column - patches.wide), 0)
    right = np.minimum(np.floor(patches.column + patches.wide), lens.width - 1)
    top = np.maximum(np.ceil(patches.row - patches.high), 0)
    bottom = np.minimum(np.floor(patches.row + patches.high), lens.height - 1)
    unseen = ~((right >= left) & (bottom >= top) & (patches.z > 0))
    first = top.astype(np.intp) * lens.width + left.astype(np.intp)
    first[unseen] = nearest.size - 1
    further, lower = (right - left).astype(np.intp), (bottom - top).astype(np.intp)
    further[unseen] = lower[unseen] = 0
    z = patches.z
    z[unseen] = np.inf
    for down in range(int(lower.max(initial=0)) + 1):
        row = first + np.minimum(lower, down) * lens.width
        for across in range(int(further.max(initial=0)) + 1):
            np.minimum.at(nearest, row + np.minimum(further, across), z)


def _scaled(lens: Lens, size: tuple[int, int] | None, name: str) -> Lens:
    """Return a lens at the size of its image."""
    if size is None or size == lens.size:
        return lens
    if size[0] * lens.height != size[1] * lens.width:
        raise CameraError(
            f"got a {name} image of {size[0]} x {size[1]} and a {name} camera of {lens.width} x {lens.height}, "
            "expected one aspect ratio; try the calibration of the mode that the image was taken in"
        )
    return lens.scaled(*size)
