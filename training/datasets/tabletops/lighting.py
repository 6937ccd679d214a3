"""Light on a table: several lamps with soft shadows, light from everywhere, and the shade where things stand."""

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer
from crosswire.training.datasets.rooms.shapes import Array, Point, Shape, Vector
from crosswire.training.datasets.tabletops.scene import Lamp, TableScene
from crosswire.training.datasets.tabletops.shapes import Posed

SHADOW_COLUMNS = 107
"""Shadows are found at about so many columns and then smoothed, which makes their edges soft, too."""
CONTACT = 0.4
"""Share of the light from everywhere that is missing right beside an object."""
CONTACT_REACH_M = 0.025
SHARPNESS = 24
Body = tuple[tuple[Shape, ...], Point, float]
"""Solids with the middle and the radius of a ball around them."""


def radiance(scene: TableScene, seen: GeometryBuffer, albedo: Array, shine: Array) -> Array:
    """Light every pixel.

    Args:
        scene: the table and its lamps.
        seen: what the n pixels see.
        albedo: [3, n] in 0..1.
        shine: how mirror-like each pixel is [n], 0..1.

    Returns:
        Radiance [3, n], of no particular scale.
    """
    bodies = [(thing.shapes, *bounding_ball(thing.shapes)) for thing in scene.furniture if thing.casts_shadow]
    point = tuple(_coarse(c, seen.shape) for c in seen.point)
    shiny = np.flatnonzero(shine > 0.05)
    total = np.empty_like(albedo)
    total[:] = scene.ambient * (0.75 + 0.25 * seen.normal[2]) * _contact(scene, seen)
    highlight = np.zeros((3, shiny.size), np.float32)
    for lamp in scene.lamps:
        to_lamp = _towards(lamp.position, seen.point)
        square = sum(c * c for c in to_lamp)
        cosine = sum(n * c for n, c in zip(seen.normal, to_lamp, strict=True)) / np.sqrt(square)
        direct = np.maximum(cosine, 0) * (4 / (square + 1))
        direct *= _refined(_lit(lamp, bodies, point), seen.shape)
        for channel in range(3):
            total[channel] += np.float32(lamp.colour[channel]) * direct
        if shiny.size:
            gleam = _gleam(seen, to_lamp, cosine, shiny) * (direct[shiny] > 0) * shine[shiny]
            highlight += np.asarray(lamp.colour, np.float32)[:, None] * gleam
    total *= albedo
    total[:, shiny] += highlight
    return total


def _towards(position: Point, point: Vector) -> Vector:
    x, y, z = (np.float32(a) - b for a, b in zip(position, point, strict=True))
    return x, y, z


def _gleam(seen: GeometryBuffer, to_lamp: Vector, cosine: Array, pixels: npt.NDArray[np.intp]) -> Array:
    """Mirrored light of a lamp by Phong's model [k]."""
    length = np.sqrt(sum(c[pixels] ** 2 for c in to_lamp))
    ray = [d[pixels] for d in seen.direction]
    back = -1 / np.sqrt(sum(d * d for d in ray))
    mirrored = np.zeros_like(length)
    for normal, lamp, way in zip(seen.normal, to_lamp, ray, strict=True):
        mirrored += (2 * cosine[pixels] * normal[pixels] - lamp[pixels] / length) * way * back
    return np.asarray(2 * np.maximum(mirrored, 0) ** SHARPNESS, np.float32)


def _stride(shape: tuple[int, int]) -> int:
    return max(1, round(shape[1] / SHADOW_COLUMNS))


def _coarse(field: Array, shape: tuple[int, int]) -> Array:
    """Take the middle one of every few rows and columns [m]."""
    stride = _stride(shape)
    return field.reshape(shape)[stride // 2 :: stride, stride // 2 :: stride].ravel()


def _refined(mask: Array, shape: tuple[int, int]) -> Array:
    """Smooth a coarse picture and bring it to full size [n]."""
    stride = _stride(shape)
    field = mask.reshape(len(range(stride // 2, shape[0], stride)), -1)
    for axis in (0, 1):
        padded = np.pad(field, [(1, 1) if i == axis else (0, 0) for i in range(2)], mode="edge")
        one, two, three = (padded.take(np.arange(k, k + field.shape[axis]), axis=axis) for k in range(3))
        field = (one + 2 * two + three) / 4
    rows, columns = (np.minimum(np.arange(n) // stride, m - 1) for n, m in zip(shape, field.shape, strict=True))
    return np.asarray(field[rows[:, None], columns].ravel())


def _lit(lamp: Lamp, bodies: list[Body], point: tuple[Array, ...]) -> Array:
    """Where a lamp is in sight [m], 0 or 1."""
    x, y, z = (p - np.float32(o) for p, o in zip(point, lamp.position, strict=True))
    square = x * x + y * y + z * z
    lit = np.ones(square.shape, np.float32)
    for shapes, centre, radius in bodies:
        a, b, c = (m - o for m, o in zip(centre, lamp.position, strict=True))
        along = x * a + y * b + z * c
        near = (a * a + b * b + c * c - radius * radius) * square < along * along
        pixels = np.flatnonzero(near & (along > 0))
        if pixels.size:
            ray: Vector = (x[pixels], y[pixels], z[pixels])
            for shape in shapes:
                lit[pixels[shape.hit(lamp.position, ray) < 0.99]] = 0
    return lit


def bounding_ball(shapes: tuple[Shape, ...]) -> tuple[Point, float]:
    """Centre and radius of a ball around solids, metres."""
    corners = np.concatenate([np.asarray(shape.corners) for shape in shapes])
    low, high = corners.min(axis=0), corners.max(axis=0)
    a, b, c = ((low + high) / 2).tolist()
    return (a, b, c), float(np.linalg.norm(high - low)) / 2


def _contact(scene: TableScene, seen: GeometryBuffer) -> Array:
    """Share of the light from everywhere that reaches the table beside objects [n]."""
    x, y, z = (_coarse(c, seen.shape) for c in seen.point)
    table = np.flatnonzero(np.abs(z - scene.top.height) < 0.03)
    light = np.ones(x.shape, np.float32)
    x, y = x[table], y[table]
    shade = np.ones(table.shape, np.float32)
    for thing in scene.furniture:
        if not thing.casts_shadow or not isinstance(thing.shapes[0], Posed):
            continue
        corners = np.asarray([corner for shape in thing.shapes for corner in shape.corners])
        if corners[:, 2].min() > scene.top.height + 0.02:
            continue
        (left, near), (right, far) = corners[:, :2].min(axis=0).tolist(), corners[:, :2].max(axis=0).tolist()
        across = np.maximum(np.abs(x - np.float32((left + right) / 2)) - np.float32(0.4 * (right - left)), 0)
        along = np.maximum(np.abs(y - np.float32((near + far) / 2)) - np.float32(0.4 * (far - near)), 0)
        shade *= 1 - np.float32(CONTACT) / (1 + (across * across + along * along) / np.float32(CONTACT_REACH_M**2))
    light[table] = shade
    return _refined(light, seen.shape)
