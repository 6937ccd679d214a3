"""Further pictures of the same room: normals, shading, two kinds of edges and curvature."""

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer
from crosswire.training.datasets.rooms.scene import Camera
from crosswire.training.datasets.rooms.shapes import Array, Point

Picture = npt.NDArray[np.uint8]

HEADLIGHT: Point = (-0.5, -0.7, -0.2)
"""Position of the lamp of the shading domain in camera axes (right, down, forward), metres."""
JUMP = (0.04, 0.1)
"""Steps in range, relative to the range, at which an occlusion edge begins to show and is full."""
EDGE_SHARE = 160
"""The blurs behind texture edges reach this share of the picture's width, and three times as far."""
CONTRAST = 8
"""What a difference of encoded brightness is multiplied with in the texture domain."""
BEVEL_M = 0.05
"""Edges of furniture and room count as rounded with this radius in the curvature domain."""
CURVATURE_KNEE = 2.0
"""Curvature in 1/m that lies half-way between flat (128) and the end of the scale."""


def camera_normals(seen: GeometryBuffer, camera: Camera) -> Array:
    """Unit normals [3, n] in camera axes: right, down, forward."""
    return np.stack([_dot(axis, seen.normal) for axis in camera.axes])


def normal_image(seen: GeometryBuffer, camera: Camera) -> Picture:
    """Normals in camera axes (right, down, forward), -1..1 mapped to 0..255; uint8 [H, W, 3]."""
    scaled = np.rint(127.5 * (camera_normals(seen, camera) + 1)).clip(0, 255)
    return np.ascontiguousarray(scaled.astype(np.uint8).T).reshape(*seen.shape, 3)


def shade_image(seen: GeometryBuffer, camera: Camera) -> Picture:
    """Lambertian shading of the untextured room by a lamp fixed to the camera; uint8 [H, W, 1]."""
    offset = (np.asarray(camera.axes).T @ np.asarray(HEADLIGHT)).tolist()
    lamp = [p + o for p, o in zip(camera.position, offset, strict=True)]
    x, y, z = (o - p for o, p in zip(lamp, seen.point, strict=True))
    square = x * x + y * y + z * z
    cosine = (seen.normal[0] * x + seen.normal[1] * y + seen.normal[2] * z) / np.sqrt(square + 1e-9)
    return _grey(np.maximum(cosine, 0) * 12 / (10 + square), seen.shape)


def texture_image(light: Array, shape: tuple[int, int]) -> Picture:
    """Texture edges of the room in good light: every colour against its surroundings; uint8 [H, W, 3].

    The noise-free picture is exposed well and encoded with gamma 2; the difference of a narrow and a wide blur finds
    edges as Marr and Hildreth do, in red, green and blue each on its own. 128 is no difference, more is lighter than
    what lies around. So an edge tells which side is lighter and in which hue; the middle of a plain surface is empty.

    Args:
        light: radiance [3, n].
        shape: height and width.
    """
    exposure = 0.25 / max(float((np.asarray([0.299, 0.587, 0.114], np.float32) @ light).mean()), 1e-6)
    planes = [np.sqrt(np.minimum(colour * exposure, 1)).reshape(shape) for colour in light]
    reach = max(1, round(shape[1] / EDGE_SHARE))
    contrast = [_blurred(plane, reach) - _blurred(plane, 3 * reach) for plane in planes]
    return np.concatenate([_grey(0.5 + 0.5 * CONTRAST * plane, shape) for plane in contrast], axis=2)


def _blurred(plane: Array, radius: int) -> Array:
    """Blur a plane [H, W] by two passes of a box of 2 radius + 1 pixels along both axes."""
    taps = (1,) * (2 * radius + 1)
    for axis in (0, 1, 0, 1):
        plane = _convolve(plane, taps, axis) / len(taps)
    return plane


def edge_image(distance: Array) -> Picture:
    """Occlusion edges: jumps of the noise-free range that no plane explains; uint8 [H, W, 1].

    The inverse range is an affine function of the pixel on any plane, so its second difference is zero there, small at
    creases and large at occlusions.

    Args:
        distance: range [H, W], metres.
    """
    inverse = 1 / distance
    bend = np.zeros_like(inverse)
    for axis in (0, 1):
        second = np.abs(_convolve(inverse, (1, -2, 1), axis))
        bend = np.maximum(bend, second)
    return _grey((bend * distance - JUMP[0]) / (JUMP[1] - JUMP[0]), distance.shape)


def curvature_image(seen: GeometryBuffer) -> Picture:
    """Principal curvatures: larger, smaller and their mean; 128 = flat, more = convex; uint8 [H, W, 3].

    Solids are exact; edges of boxes, cylinder ends and the room's own corners count as rounded (``BEVEL_M``). A
    curvature k is shown as 128 + 127 k / (|k| + CURVATURE_KNEE).
    """
    rounded = (np.abs(seen.crease) < BEVEL_M) / np.float32(BEVEL_M)
    larger = np.maximum(seen.larger, rounded * (seen.crease > 0))
    smaller = seen.smaller - rounded * (seen.crease < 0)
    stack = np.stack([larger, smaller, (larger + smaller) / 2], axis=1)
    scaled = 128 + 127 * stack / (np.abs(stack) + CURVATURE_KNEE)
    return np.asarray(np.rint(scaled), np.uint8).reshape(*seen.shape, 3)


def _dot(axis: Point, vector: tuple[Array, Array, Array]) -> Array:
    """Dot product of one vector with n others."""
    return np.asarray(axis[0] * vector[0] + axis[1] * vector[1] + axis[2] * vector[2])


def _convolve(picture: Array, taps: tuple[int, ...], axis: int) -> Array:
    """Correlate along one axis, repeating the rim."""
    reach = len(taps) // 2
    padded = np.pad(picture, [(reach, reach) if i == axis else (0, 0) for i in range(2)], mode="edge")
    size = picture.shape[axis]
    total = np.zeros_like(picture)
    for start, tap in enumerate(taps):
        if tap:
            total += tap * (padded[start : start + size] if axis == 0 else padded[:, start : start + size])
    return total


def _grey(value: Array, shape: tuple[int, ...]) -> Picture:
    """Encode 0..1 as uint8 [H, W, 1]."""
    return np.asarray(255 * np.clip(value, 0, 1) + 0.5, np.uint8).reshape(*shape, 1)
