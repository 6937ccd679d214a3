"""What a depth camera looks at, and what several kinds of cameras have in common."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


PLAIN, TEXTURED = 0.03, 0.6
"""Contrast that a stereo camera finds on a material without a pattern, and with one."""


@dataclass(frozen=True)
class DepthView:
    """A view without noise; all arrays are float32 [H, W].

    Attributes:
        range: true depth along the optical axis, metres.
        cosine: between ray and surface normal, 0 (grazing) to 1 (facing).
        reflectance: share of the camera's own light that comes back, 0..1.
        shine: how mirror-like the surface is: about this share of its readings is lost, 0..1.
        texture: contrast that a stereo camera finds without a pattern projected, 0..1.
        focal: focal length in pixels.
    """

    range: Array
    cosine: Array
    reflectance: Array
    shine: Array
    texture: Array
    focal: float


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], *octaves: tuple[int, int, float]) -> Array:
    """Return a random field [H, W] of unit variance, smooth at every size.

    Args:
        rng: source of the knots.
        shape: height and width.
        octaves: rows and columns of the knots that are interpolated, and their weight.
    """
    field = np.zeros(shape, np.float32)
    square = 0.0
    for rows, columns, weight in octaves:
        knots = rng.standard_normal((rows, columns), dtype=np.float32)
        field += weight * (tent(shape[0], rows) @ knots @ tent(shape[1], columns).T)
        square += (2 / 3) ** 2 * weight * weight
    return field / np.float32(square**0.5)


def tent(size: int, knots: int) -> Array:
    """Weights [size, knots] of linear interpolation between knots spread over the picture."""
    position = (np.arange(size, dtype=np.float32) + 0.5) / size * (knots - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(position[:, None] - np.arange(knots, dtype=np.float32))))


def grain(rng: np.random.Generator, shape: tuple[int, int], step: int) -> Array:
    """Return random numbers [H, W] of about unit variance that hang together over ``step`` pixels."""
    if step < 2:
        return rng.standard_normal(shape, dtype=np.float32)
    rows, columns = -(-shape[0] // step) + 1, -(-shape[1] // step) + 1
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    between = (coarse[:-1] + coarse[1:])[:, :-1] + (coarse[:-1] + coarse[1:])[:, 1:]
    field = np.repeat(np.repeat(between * np.float32(0.5), step, axis=0), step, axis=1)
    return np.asarray(field[: shape[0], : shape[1]])


def edges(z: Array, least: Array | float) -> Mask:
    """Where a neighbour above, below, left or right is nearer or farther by more than some metres."""
    edge = np.zeros(z.shape, np.bool_)
    limit = np.broadcast_to(np.asarray(least, np.float32), z.shape)
    across = np.abs(z[:, 1:] - z[:, :-1]) > limit[:, 1:]
    down = np.abs(z[1:] - z[:-1]) > limit[1:]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def jitter(z: Array, edge: Mask, rng: np.random.Generator, deviation: float) -> Array:
    """Read the pixels at edges beside their place, by a normally distributed number of pixels each way.

    Elsewhere the neighbours read the same but for noise.
    """
    height, width = z.shape
    rows, columns = np.nonzero(edge)
    step = np.rint(deviation * rng.standard_normal((2, rows.size), dtype=np.float32)).astype(np.intp)
    moved = z.copy()
    moved[edge] = z[np.clip(rows + step[0], 0, height - 1), np.clip(columns + step[1], 0, width - 1)]
    return moved


def lowest(z: Array) -> Array:
    """Least value of each pixel's neighbourhood of 3x3."""
    return _spread(z, np.minimum)


def highest(z: Array) -> Array:
    """Largest value of each pixel's neighbourhood of 3x3."""
    return _spread(z, np.maximum)


def _spread(z: Array, choose: np.ufunc) -> Array:
    rows = z.copy()
    choose(rows[1:], z[:-1], out=rows[1:])
    choose(rows[:-1], z[1:], out=rows[:-1])
    both = rows.copy()
    choose(both[:, 1:], rows[:, :-1], out=both[:, 1:])
    choose(both[:, :-1], rows[:, 1:], out=both[:, :-1])
    return both


def occluded(z: Array, pixels_metre: float) -> Mask:
    """Where a nearer surface stands between the point and a second device beside the camera.

    Args:
        z: depth [H, W], metres.
        pixels_metre: distance of the device to the right in metres, times the focal length in pixels.
    """
    if pixels_metre < 0:
        return occluded(z[:, ::-1], -pixels_metre)[:, ::-1]
    projected = np.arange(z.shape[1], dtype=np.float32) + np.float32(pixels_metre) / z
    return np.asarray(np.maximum.accumulate(projected, axis=1) > projected + 0.5)


def dazzled(view: DepthView, rng: np.random.Generator) -> Mask:
    """Where mirror-like surfaces give no reading: in blobs, and wherever they throw the light straight back."""
    lost = np.zeros(view.range.shape, np.bool_)
    shiny = np.flatnonzero(view.shine > 0.05)
    if shiny.size:
        height, width = view.range.shape
        field = smooth_field(rng, (height, width), (31, 41, 1.0), (97, 129, 0.7)).ravel()[shiny]
        share = view.shine.ravel()[shiny]
        # A normal deviate exceeds this about as often as a uniform number is below the share.
        lost.ravel()[shiny] = (field > 3.4 * (0.5 - share)) | (view.cosine.ravel()[shiny] > 0.985)
    return lost


def lose_border(depth: Array, rng: np.random.Generator, widest: float) -> None:
    """Lose strips along the sides of a depth map, each up to a share of the picture, as registration to colour does."""
    height, width = depth.shape
    top, bottom, left, right = (max(0.0, share) for share in rng.uniform(-widest, widest, 4))
    depth[: round(top * height)] = 0
    depth[height - round(bottom * height) :] = 0
    depth[:, : round(left * width)] = 0
    depth[:, width - round(right * width) :] = 0
