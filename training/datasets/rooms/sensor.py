"""What the two cameras make of the room: a noisy colour picture and a depth map with noise and holes."""

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer, focal_length
from crosswire.training.datasets.rooms.scene import Scene
from crosswire.training.datasets.rooms.shapes import Array

DISPARITY_SCALE = 500.0
"""Levels of disparity times metres: neighbouring levels are z²/500 m apart, as in the first Kinect."""
DISPARITY_NOISE = 0.75
"""Standard deviation in levels, so that range noise is 0.0015 m at 1 m and grows with the square of the range."""
MIN_RANGE_M = 0.4


def photograph(scene: Scene, light: Array, shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Expose, add photon and read noise, and encode with gamma 2.

    Args:
        scene: the room, for its exposure.
        light: radiance [3, n].
        shape: height and width.
        rng: source of the noise.

    Returns:
        uint8 [height, width, 3].
    """
    lighting = scene.lighting
    photon, read_lit, read_dark = rng.uniform(0.0005, 0.003), rng.uniform(0.002, 0.012), rng.uniform(0.08, 0.15)
    read = read_dark if lighting.dark else read_lit
    gain = lighting.exposure / max(float(light.mean()), 1e-6)
    signal = light * np.float32(gain)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    noise *= np.sqrt(np.float32(photon) * signal + np.float32(read * read))
    signal += noise
    np.clip(signal, 0, 1, out=signal)
    return np.ascontiguousarray((255 * np.sqrt(signal) + 0.5).astype(np.uint8).T).reshape(*shape, 3)


def measure_depth(scene: Scene, seen: GeometryBuffer, gloss: Array, rng: np.random.Generator) -> Array:
    """Read the range as a structured-light sensor does.

    Holes: out of range, grazing incidence, glossy or black material, the strip that the projector cannot see beside a
    nearer surface, and random blobs. Noise and quantisation act on disparity, so both grow with the squared range.

    Args:
        scene: the room, for its sensor.
        seen: what the pixels see.
        gloss: share that cannot be read of every surface id.
        rng: source of the noise.

    Returns:
        float32 [height, width], metres, 0 = no reading.
    """
    height, width = seen.shape
    sensor, z = scene.sensor, seen.distance.reshape(seen.shape)
    blobs = _blobs(rng, height, width)
    level = DISPARITY_SCALE / z + DISPARITY_NOISE * rng.standard_normal(z.shape, dtype=np.float32)
    depth = DISPARITY_SCALE / np.maximum(np.rint(level), 1)
    lost = (z > sensor.max_range) | (z < MIN_RANGE_M)
    lost |= _grazing(seen, sensor.grazing).reshape(z.shape)
    lost |= _unlit_strip(z, sensor.baseline * focal_length(scene.camera, width))
    least = _quantiles(blobs, np.asarray([sensor.holes, *gloss], np.float32))
    lost |= blobs < least[0]
    lost |= blobs[::-1, ::-1] < least[1:][seen.surface].reshape(z.shape)
    depth[lost] = 0
    return np.asarray(depth, np.float32)


def _blobs(rng: np.random.Generator, height: int, width: int) -> Array:
    """Smooth random field [height, width]; the same blobs at every size."""
    field = np.zeros((height, width), np.float32)
    for rows, columns, weight in ((7, 9, 1.0), (20, 26, 0.6), (48, 60, 0.4)):
        table = rng.standard_normal((rows, columns), dtype=np.float32)
        field += weight * (_tent(height, rows) @ table @ _tent(width, columns).T)
    return field


def _tent(size: int, knots: int) -> Array:
    """Weights [size, knots] of linear interpolation between knots spread over the picture."""
    position = (np.arange(size, dtype=np.float32) + 0.5) / size * (knots - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(position[:, None] - np.arange(knots, dtype=np.float32))))


def _quantiles(field: Array, shares: Array) -> Array:
    """Values below which the given shares of the field lie, from every fourth row and column."""
    sample = np.sort(field[::4, ::4], axis=None)
    values = np.interp(shares, np.linspace(0, 1, sample.size), sample)
    return np.asarray(np.where(shares > 0, values, -np.inf), np.float32)


def _grazing(seen: GeometryBuffer, least: float) -> npt.NDArray[np.bool_]:
    """Where the ray meets the surface at too flat an angle."""
    (dx, dy, dz), (nx, ny, nz) = seen.direction, seen.normal
    cosine = dx * nx + dy * ny + dz * nz
    return np.asarray(cosine * cosine < least * least * (dx * dx + dy * dy + dz * dz))


def _unlit_strip(z: Array, pixels_metre: float) -> npt.NDArray[np.bool_]:
    """Where a nearer surface stands between the point and the projector beside the camera."""
    if pixels_metre < 0:
        return _unlit_strip(z[:, ::-1], -pixels_metre)[:, ::-1]
    projected = np.arange(z.shape[1], dtype=np.float32) + pixels_metre / z
    return np.asarray(np.maximum.accumulate(projected, axis=1) > projected + 0.5)
