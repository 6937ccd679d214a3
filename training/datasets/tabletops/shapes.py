"""Solids beyond those of rooms: surfaces of revolution, and any solid moved, turned and stretched."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.shapes import MISS, TINY, Array, Point, Shape, Surface, Vector

Axes = tuple[Point, Point, Point]
Profile = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Lathe:
    """A surface of revolution about the z axis: bottles, bowls, cups, plates.

    Attributes:
        profile: radius and height of points joined by straight lines, metres. It runs from the bottom's middle along
            the outside to the top's middle, so that its left side is inside the solid; a bowl's goes down again inside.
    """

    profile: Profile

    @property
    def corners(self) -> list[Point]:
        """Points whose convex hull contains the solid."""
        radius = max(r for r, _ in self.profile)
        heights = [z for _, z in self.profile]
        ends = (min(heights), max(heights))
        return [(a, b, z) for a in (-radius, radius) for b in (-radius, radius) for z in ends]

    def hit(self, origin: Point, direction: Vector) -> Array:
        """Return t of the nearest hit in front of the origin, infinite where there is none."""
        dx, dy, dz = direction
        ox, oy, oz = origin
        square, linear, constant = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy
        upright = np.where(np.abs(dz) < TINY, np.float32(TINY), dz)
        nearest = np.full(dx.shape, MISS)
        for (r0, z0), (r1, z1) in pairwise(self.profile):
            if abs(z1 - z0) < 1e-6:
                t = (z0 - oz) / upright
                across = (square * t + 2 * linear) * t + constant
                low, high = sorted((r0, r1))
                _keep(nearest, t, (across >= low * low) & (across <= high * high))
                continue
            slope = (r1 - r0) / (z1 - z0)
            start, along = r0 + slope * (oz - z0), slope * dz
            a, b = square - along * along, linear - start * along
            root = b * b - a * (constant - start * start)
            some = root >= 0
            root = np.sqrt(np.maximum(root, 0))
            inverse = 1 / np.where(np.abs(a) < TINY, np.float32(TINY), a)
            low, high = sorted((z0, z1))
            for t in ((-b - root) * inverse, (root - b) * inverse):
                z = oz + t * dz
                _keep(nearest, t, some & (z >= low) & (z <= high))
        return np.asarray(nearest)

    @cached_property
    def _lines(self) -> npt.NDArray[np.float32]:
        """Start (r, z), step (r, z) and outward normal (r, z) of every line of the profile [6, k]."""
        points = np.asarray(self.profile, np.float64)
        step = np.diff(points, axis=0)
        step = np.where(np.abs(step).sum(axis=1, keepdims=True) > 0, step, 1e-9)
        normal = np.stack([step[:, 1], -step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
        return np.asarray(np.concatenate([points[:-1], step, normal], axis=1).T, np.float32)

    def surface(self, point: Vector) -> Surface:
        """Describe the surface at points that lie on it."""
        x, y, z = point
        radius = np.sqrt(x * x + y * y)
        best, line = np.full(radius.shape, MISS), np.zeros(radius.shape, np.intp)
        for number, (r0, z0, dr, dz, *_) in enumerate(self._lines.T.tolist()):
            along = np.clip(((radius - r0) * dr + (z - z0) * dz) / (dr * dr + dz * dz), 0, 1)
            away = (radius - r0 - along * dr) ** 2 + (z - z0 - along * dz) ** 2
            nearer = away < best
            np.copyto(best, away, where=nearer)
            np.copyto(line, number, where=nearer)
        out, up = self._lines[4:, line]
        share = out / np.maximum(radius, TINY)
        u = np.arctan2(y, x) * np.float32(max(r for r, _ in self.profile))
        v = z + radius * (np.abs(up) > 0.9)
        return Surface((x * share, y * share, up), u, v, (0.0, 0.0), np.full_like(u, np.inf))


@dataclass(frozen=True)
class Posed:
    """Another solid, stretched along its own axes, turned and moved.

    Attributes:
        shape: the solid in its own coordinates.
        origin: where its own origin lies, metres.
        axes: unit vectors of its own x, y and z axes, world axes, orthogonal.
        stretch: factors along its own axes.
    """

    shape: Shape
    origin: Point
    axes: Axes
    stretch: Point = (1.0, 1.0, 1.0)

    @cached_property
    def corners(self) -> list[Point]:
        """Points whose convex hull contains the solid."""
        own = np.asarray(self.shape.corners) * self.stretch @ np.asarray(self.axes) + self.origin
        return [(x, y, z) for x, y, z in own.tolist()]

    def hit(self, origin: Point, direction: Vector) -> Array:
        """Return t of the nearest hit in front of the origin, infinite where there is none."""
        away = [np.asarray(a - b, np.float32) for a, b in zip(origin, self.origin, strict=True)]
        x, y, z = (float(c) for c in self._own(away[0], away[1], away[2]))
        return self.shape.hit((x, y, z), self._own(*direction))

    def surface(self, point: Vector) -> Surface:
        """Describe the surface at points that lie on it."""
        away = [a - np.float32(b) for a, b in zip(point, self.origin, strict=True)]
        own = self.shape.surface(self._own(away[0], away[1], away[2]))
        bent = [n / np.float32(s) for n, s in zip(own.normal, self.stretch, strict=True)]
        if self.stretch != (1.0, 1.0, 1.0):
            length = np.sqrt(bent[0] ** 2 + bent[1] ** 2 + bent[2] ** 2)
            bent = [n / length for n in bent]
        a, b, c = self.axes
        x, y, z = (
            bent[0] * np.float32(a[i]) + bent[1] * np.float32(b[i]) + bent[2] * np.float32(c[i]) for i in range(3)
        )
        return Surface((x, y, z), own.u, own.v, own.bend, own.crease)

    def _own(self, x: Array, y: Array, z: Array) -> Vector:
        """Turn a vector into the solid's own coordinates."""
        a, b, c = (
            (x * np.float32(axis[0] / s) + y * np.float32(axis[1] / s) + z * np.float32(axis[2] / s))
            for axis, s in zip(self.axes, self.stretch, strict=True)
        )
        return a, b, c


def _keep(nearest: Array, t: Array, valid: npt.NDArray[np.bool_]) -> None:
    """Take over the hits that are valid, in front and nearer."""
    np.copyto(nearest, t, where=valid & (t > 1e-4) & (t < nearest))
