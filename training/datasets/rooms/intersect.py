"""Finds what every pixel sees: the geometry buffer from which all pictures of a room are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.decals import covers, place
from crosswire.training.datasets.rooms.scene import PLANES, Camera, Decal
from crosswire.training.datasets.rooms.shapes import TINY, Array, Point, Shape, Surface, Vector

Ids = npt.NDArray[np.int16]
Window = tuple[slice, slice]


@dataclass(frozen=True)
class GeometryBuffer:
    """What each of the n = height * width pixels sees, row by row.

    Attributes:
        shape: height and width.
        direction: camera rays, three arrays [n], world axes, one metre long along the optical axis.
        distance: depth along the optical axis [n], metres.
        point: where the ray ends, three arrays [n], world axes, metres.
        normal: three arrays [n], unit length, towards the viewer's side, world axes.
        surface: id [n]: planes, then solids, then decals, in the order of the scene.
        u: first texture coordinate [n], metres.
        v: second texture coordinate [n], metres.
        larger: larger principal curvature [n], 1/m, positive = convex.
        smaller: smaller principal curvature [n], 1/m.
        crease: signed distance [n] to the nearest edge, metres; negative to a concave one.
    """

    shape: tuple[int, int]
    direction: Vector
    distance: Array
    point: Vector
    normal: Vector
    surface: Ids
    u: Array
    v: Array
    larger: Array
    smaller: Array
    crease: Array


class Body(Protocol):
    """One or more solids of one material."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The solids."""


class View(Protocol):
    """What can be traced: a box that is seen from inside, with solids in it and decals on its planes."""

    @property
    def size(self) -> Point:
        """Inner width (x), length (y) and height (z), metres."""

    @property
    def decals(self) -> Sequence[Decal]:
        """What lies flush on the planes."""

    @property
    def furniture(self) -> Sequence[Body]:
        """The solids."""

    @property
    def camera(self) -> Camera:
        """The point of view."""


def solids(scene: View) -> list[Shape]:
    """List the solids of all furniture in the order of their ids."""
    return [shape for piece in scene.furniture for shape in piece.shapes]


def focal_length(camera: Camera, width: int) -> float:
    """Return the focal length in pixels of a picture that many pixels wide."""
    return width / 2 / camera.half_width


def trace(scene: View, height: int, width: int) -> GeometryBuffer:
    """Cast one ray through the middle of every pixel."""
    origin = scene.camera.position
    grid = _rays(scene.camera, height, width)
    distance, plane = _walls(scene.size, origin, grid)
    surface = plane.astype(np.int16)
    for number, shape in enumerate(solids(scene), start=PLANES):
        window = _window(scene.camera, shape.corners, height, width)
        if window is None:
            continue
        found = shape.hit(origin, (grid[0][window], grid[1][window], grid[2][window]))
        nearer = found < distance[window]
        np.copyto(distance[window], found, where=nearer)
        np.copyto(surface[window], np.int16(number), where=nearer)
    dx, dy, dz = (d.ravel() for d in grid)
    t = distance.ravel()
    point = (origin[0] + t * dx, origin[1] + t * dy, origin[2] + t * dz)
    return _describe(scene, (height, width), (dx, dy, dz), t, point, surface.ravel())


def _rays(camera: Camera, height: int, width: int) -> Vector:
    """Camera rays as three arrays [height, width]."""
    focal = focal_length(camera, width)
    right = ((np.arange(width, dtype=np.float32) + 0.5) - width / 2) / focal
    down = (((np.arange(height, dtype=np.float32) + 0.5) - height / 2) / focal)[:, None]
    a, b, c = camera.axes
    x, y, z = (a[i] * right + b[i] * down + c[i] for i in range(3))
    return x, y, z


def _walls(size: Point, origin: Point, direction: Vector) -> tuple[Array, Ids]:
    """Depth and id of the room's own six planes, seen from inside."""
    distance: Array | None = None
    plane = np.zeros(direction[0].shape, np.int16)
    for axis in range(3):
        inverse = 1 / (direction[axis] + TINY)
        found = np.maximum((size[axis] - origin[axis]) * inverse, -origin[axis] * inverse)
        side = np.where(direction[axis] > 0, np.int16(2 * axis + 1), np.int16(2 * axis))
        if distance is None:
            distance, plane = found, side
        else:
            nearer = found < distance
            np.copyto(plane, side, where=nearer)
            distance = np.minimum(distance, found)
    assert distance is not None
    return distance, plane


def _window(camera: Camera, corners: list[Point], height: int, width: int) -> Window | None:
    """Smallest rectangle of the picture that holds the convex hull of the corners; None if it is out of sight."""
    focal = focal_length(camera, width)
    relative = np.asarray(corners) - np.asarray(camera.position)
    x, y, z = (relative @ np.asarray(axis) for axis in camera.axes)
    if z.max() < 0.05:
        return None
    if z.min() < 0.05:
        return slice(0, height), slice(0, width)
    columns, rows = width / 2 + focal * x / z, height / 2 + focal * y / z
    left, right = max(0, int(columns.min()) - 1), min(width, int(columns.max()) + 2)
    top, bottom = max(0, int(rows.min()) - 1), min(height, int(rows.max()) + 2)
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def _describe(
    scene: View, shape: tuple[int, int], direction: Vector, distance: Array, point: Vector, surface: Ids
) -> GeometryBuffer:
    """Fill in normals and texture coordinates, surface by surface, then lay the decals on their planes."""
    bodies = solids(scene)
    normal = np.empty((3, distance.size), np.float32)
    u, v, larger, smaller, crease = (np.empty_like(distance) for _ in range(5))
    for number, pixels in split(surface).items():
        seen = (point[0][pixels], point[1][pixels], point[2][pixels])
        part = _plane_surface(scene.size, number, seen) if number < PLANES else bodies[number - PLANES].surface(seen)
        for axis in range(3):
            normal[axis, pixels] = part.normal[axis]
        u[pixels], v[pixels], crease[pixels] = part.u, part.v, part.crease
        larger[pixels], smaller[pixels] = part.bend
    carrier, across, up = surface.copy(), u.copy(), v.copy()
    for number, decal in enumerate(scene.decals, start=PLANES + len(bodies)):
        pixels = np.flatnonzero(carrier == decal.plane)
        p, q = place(decal, across[pixels], up[pixels])
        inside = covers(decal, p, q)
        pixels = pixels[inside]
        surface[pixels], u[pixels], v[pixels] = number, p[inside], q[inside]
    x, y, z = normal
    return GeometryBuffer(shape, direction, distance, point, (x, y, z), surface, u, v, larger, smaller, crease)


def split(surface: Ids) -> dict[int, npt.NDArray[np.intp]]:
    """Map every id that occurs to the pixels [k] that show it."""
    order = np.argsort(surface, kind="stable")
    ordered = surface[order]
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    ids = ordered[np.concatenate([[0], starts])]
    return dict(zip(ids.tolist(), np.split(order, starts), strict=True))


def _plane_surface(size: Point, plane: int, point: Vector) -> Surface:
    """Describe a wall, the floor or the ceiling: texture coordinates are the other two world coordinates."""
    axis, far = divmod(plane, 2)
    others = [i for i in range(3) if i != axis]
    u, v = point[others[0]], point[others[1]]
    zero = np.zeros_like(u)
    inward = zero + np.float32(1 - 2 * far)
    normal = [zero, zero, zero]
    normal[axis] = inward
    to_edge = [np.minimum(point[i], size[i] - point[i]) for i in others]
    return Surface((normal[0], normal[1], normal[2]), u, v, (0.0, 0.0), -np.minimum(*to_edge))
