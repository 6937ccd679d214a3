"""The solids a room is furnished with: where a ray meets them and what their surface is like there.

World axes: x to the right and y along the room's floor, z upwards, in metres. A ray is ``origin + t * direction``; the
directions of camera rays have unit length along the optical axis, so that t is depth along the camera's axis.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Point = tuple[float, float, float]
Vector = tuple[Array, Array, Array]
Interval = tuple[Array, Array]

MISS = np.float32(np.inf)
TINY = 1e-9


@dataclass(frozen=True)
class Surface:
    """What a solid's surface is like at n points.

    Attributes:
        normal: three arrays [n], unit length, pointing out of the solid (world axes).
        u: first texture coordinate [n] in metres along the surface.
        v: second texture coordinate [n] in metres along the surface.
        bend: principal curvatures (larger, smaller) in 1/m, each one number or [n]; positive = convex.
        crease: signed distance [n] in metres to the nearest edge: positive to a convex one, infinite if there is none.
    """

    normal: Vector
    u: Array
    v: Array
    bend: tuple[Array | float, Array | float]
    crease: Array


@dataclass(frozen=True)
class Box:
    """A box turned about the vertical axis.

    Attributes:
        frame: x, y of the piece of furniture it belongs to and its turn in radians.
        low: lower corner in the turned frame.
        high: upper corner in the turned frame.
    """

    frame: Point
    low: Point
    high: Point

    @property
    def corners(self) -> list[Point]:
        """Points whose convex hull contains the solid."""
        x, y, turn = self.frame
        c, s = math.cos(turn), math.sin(turn)
        return [
            (x + c * a - s * b, y + s * a + c * b, h)
            for a in (self.low[0], self.high[0])
            for b in (self.low[1], self.high[1])
            for h in (self.low[2], self.high[2])
        ]

    def hit(self, origin: Point, direction: Vector) -> Array:
        """Return t of the nearest hit in front of the origin, infinite where there is none (slab method)."""
        x, y, turn = self.frame
        c, s = math.cos(turn), math.sin(turn)
        dx, dy, dz = direction
        rx, ry = origin[0] - x, origin[1] - y
        start = (c * rx + s * ry, c * ry - s * rx, origin[2])
        near, far = _slab(start[0], c * dx + s * dy, self.low[0], self.high[0])
        for axis, along in ((1, c * dy - s * dx), (2, dz)):
            first, last = _slab(start[axis], along, self.low[axis], self.high[axis])
            near, far = np.maximum(near, first), np.minimum(far, last)
        near[(near > far) | (near < 0)] = MISS
        return near

    def surface(self, point: Vector) -> Surface:
        """Describe the surface at points that lie on it."""
        x, y, turn = self.frame
        c, s = math.cos(turn), math.sin(turn)
        rx, ry = point[0] - x, point[1] - y
        local = (c * rx + s * ry, c * ry - s * rx, point[2])
        middle = [(a + b) / 2 for a, b in zip(self.low, self.high, strict=True)]
        half = [(b - a) / 2 for a, b in zip(self.low, self.high, strict=True)]
        offset = [np.asarray(p - m, np.float32) for p, m in zip(local, middle, strict=True)]
        a0, b0, c0 = (np.float32(h) - np.abs(o) for h, o in zip(half, offset, strict=True))
        x_face = (a0 <= b0) & (a0 <= c0)
        y_face = ~x_face & (b0 <= c0)
        z_face = ~(x_face | y_face)
        out = [
            np.asarray(np.sign(o) * face, np.float32) for o, face in zip(offset, (x_face, y_face, z_face), strict=True)
        ]
        crease = np.maximum(np.minimum(a0, b0), np.minimum(np.maximum(a0, b0), c0))
        normal: Vector = (c * out[0] - s * out[1], s * out[0] + c * out[1], out[2])
        u = np.where(x_face, local[1], local[0])
        v = np.where(z_face, local[1], local[2])
        return Surface(normal, u, v, (0.0, 0.0), crease)


@dataclass(frozen=True)
class Cylinder:
    """An upright cylinder with flat ends."""

    x: float
    y: float
    radius: float
    bottom: float
    top: float

    @property
    def corners(self) -> list[Point]:
        """Points whose convex hull contains the solid."""
        return _box_around((self.x, self.y), self.radius, self.bottom, self.top)

    def hit(self, origin: Point, direction: Vector) -> Array:
        """Return t of the nearest hit in front of the origin, infinite where there is none."""
        dx, dy, dz = direction
        rx, ry = origin[0] - self.x, origin[1] - self.y
        square = dx * dx + dy * dy
        near, far = _roots(square, rx * dx + ry * dy, rx * rx + ry * ry - self.radius**2)
        first, last = _slab(origin[2], dz, self.bottom, self.top)
        near, far = np.maximum(near, first), np.minimum(far, last)
        near[~(near <= far) | (near < 0)] = MISS
        return near

    def surface(self, point: Vector) -> Surface:
        """Describe the surface at points that lie on it."""
        rx, ry, z = (point[0] - self.x) / self.radius, (point[1] - self.y) / self.radius, point[2]
        to_end = np.minimum(z - self.bottom, self.top - z)
        to_side = (1 - np.sqrt(rx * rx + ry * ry)) * self.radius
        side = to_end > to_side
        up = np.sign(z - (self.bottom + self.top) / 2) * ~side
        normal = (rx * side, ry * side, up)
        u = np.where(side, np.arctan2(ry, rx), rx) * self.radius
        v = np.where(side, z, ry * self.radius)
        return Surface(normal, u, v, (side / np.float32(self.radius), 0.0), np.maximum(to_end, to_side))


@dataclass(frozen=True)
class Ball:
    """A sphere."""

    centre: Point
    radius: float

    @property
    def corners(self) -> list[Point]:
        """Points whose convex hull contains the solid."""
        x, y, z = self.centre
        return _box_around((x, y), self.radius, z - self.radius, z + self.radius)

    def hit(self, origin: Point, direction: Vector) -> Array:
        """Return t of the nearest hit in front of the origin, infinite where there is none."""
        dx, dy, dz = direction
        rx, ry, rz = (o - c for o, c in zip(origin, self.centre, strict=True))
        square = dx * dx + dy * dy + dz * dz
        near, _ = _roots(square, rx * dx + ry * dy + rz * dz, rx * rx + ry * ry + rz * rz - self.radius**2)
        near[~(near >= 0)] = MISS
        return near

    def surface(self, point: Vector) -> Surface:
        """Describe the surface at points that lie on it."""
        nx, ny, nz = ((p - c) / self.radius for p, c in zip(point, self.centre, strict=True))
        u = np.arctan2(ny, nx) * self.radius
        v = np.arcsin(np.clip(nz, -1, 1)) * self.radius
        return Surface((nx, ny, nz), u, v, (1 / self.radius, 1 / self.radius), np.full_like(u, np.inf))


class Shape(Protocol):
    """What rays are cast against."""

    @property
    def corners(self) -> list[Point]:
        """Points whose convex hull contains the solid."""

    def hit(self, origin: Point, direction: Vector) -> Array:
        """Return t of the nearest hit in front of the origin, infinite where there is none."""

    def surface(self, point: Vector) -> Surface:
        """Describe the surface at points that lie on it."""


def _box_around(centre: tuple[float, float], radius: float, bottom: float, top: float) -> list[Point]:
    x, y = centre
    return [(x + a, y + b, h) for a in (-radius, radius) for b in (-radius, radius) for h in (bottom, top)]


def _slab(start: float, along: Array, low: float, high: float) -> Interval:
    """Entry and exit of rays through the layer low <= coordinate <= high."""
    inverse = 1 / (along + TINY)
    one, two = (low - start) * inverse, (high - start) * inverse
    return np.minimum(one, two), np.maximum(one, two)


def _roots(square: Array, half_linear: Array, constant: float) -> Interval:
    """Both solutions of square t² + 2 half_linear t + constant = 0; NaN-free, (inf, -inf) where there is none."""
    discriminant = half_linear * half_linear - square * constant
    root = np.sqrt(np.maximum(discriminant, 0))
    inverse = 1 / (square + TINY)
    near, far = (-half_linear - root) * inverse, (root - half_linear) * inverse
    none = discriminant < 0
    near[none], far[none] = MISS, -MISS
    return near, far
