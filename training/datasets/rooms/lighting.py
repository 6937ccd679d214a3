"""Light: one lamp with inverse-square falloff and shadow rays, a fill light at the camera, and ambient light."""

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer
from crosswire.training.datasets.rooms.scene import Furniture, Scene
from crosswire.training.datasets.rooms.shapes import Array, Point, Vector

Mask = npt.NDArray[np.bool_]

OCCLUSION_DEPTH = 0.4
OCCLUSION_REACH_M = 0.2


def radiance(scene: Scene, seen: GeometryBuffer, albedo: Array, glow: Array) -> Array:
    """Light every pixel.

    Args:
        scene: the room with its lamp.
        seen: what the n pixels see.
        albedo: [3, n] in 0..1.
        glow: light given off [n], relative to the lamp.

    Returns:
        Radiance [3, n], of no particular scale.
    """
    light = scene.lighting
    direct = _lambert(seen, light.lamp)
    direct *= _lit(scene, seen, direct > 0)
    fill = light.fill * _lambert(seen, scene.camera.position)
    ambient = light.ambient * (0.75 + 0.25 * seen.normal[2]) * _open_sky(seen.crease)
    ambient += glow
    colour = np.asarray(light.colour, np.float32)[:, None]
    return np.asarray(albedo * (colour * direct + (fill + ambient)), np.float32)


def _lambert(seen: GeometryBuffer, lamp: Point) -> Array:
    """Cosine over squared distance, softened within a metre of the lamp."""
    x, y, z = (o - p for o, p in zip(lamp, seen.point, strict=True))
    square = x * x + y * y + z * z
    cosine = seen.normal[0] * x + seen.normal[1] * y + seen.normal[2] * z
    return np.asarray(np.maximum(cosine, 0) / np.sqrt(square) * (4 / (square + 1)), np.float32)


def _open_sky(crease: Array) -> Array:
    """Share of ambient light that reaches a point near a concave edge."""
    return 1 - OCCLUSION_DEPTH / (1 + np.maximum(-crease, 0) / OCCLUSION_REACH_M) * (crease < 0)


def _lit(scene: Scene, seen: GeometryBuffer, facing: Mask) -> Mask:
    """Where the lamp is in sight, not in the shadow of furniture [n]."""
    lamp = scene.lighting.lamp
    x, y, z = (p - o for o, p in zip(lamp, seen.point, strict=True))
    square = x * x + y * y + z * z
    lit = np.ones(square.size, np.bool_)
    for piece in scene.furniture:
        centre, radius = _bounding_ball(piece)
        a, b, c = (m - o for m, o in zip(centre, lamp, strict=True))
        along = x * a + y * b + z * c
        near = (a * a + b * b + c * c - radius * radius) * square < along * along
        pixels = np.flatnonzero(near & (along > 0) & facing)
        if pixels.size:
            ray: Vector = (x[pixels], y[pixels], z[pixels])
            for shape in piece.shapes:
                lit[pixels[shape.hit(lamp, ray) < 0.99]] = False
    return lit


def _bounding_ball(piece: Furniture) -> tuple[Point, float]:
    corners = np.concatenate([np.asarray(shape.corners) for shape in piece.shapes])
    low, high = corners.min(axis=0), corners.max(axis=0)
    a, b, c = ((low + high) / 2).tolist()
    return (a, b, c), float(np.linalg.norm(high - low)) / 2
