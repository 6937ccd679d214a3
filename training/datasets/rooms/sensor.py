"""What the two cameras make of the room: a noisy colour picture and a depth map with noise and holes."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer, focal_length
from crosswire.training.datasets.rooms.materials import Material
from crosswire.training.datasets.rooms.scene import Scene
from crosswire.training.datasets.rooms.shapes import Array
from crosswire.training.datasets.sensors import SENSORS, DepthView
from crosswire.training.datasets.sensors.view import PLAIN, TEXTURED, occluded, tent

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


def measure_depth(
    scene: Scene, seen: GeometryBuffer, surfaces: list[Material], rng: np.random.Generator, name: str | None = None
) -> Array:
    """Read the range as a structured-light sensor does, or as one of ``SENSORS``.

    Holes: out of range, grazing incidence, glossy or black material, the strip that the projector cannot see beside a
    nearer surface, and random blobs. Noise and quantisation act on disparity, so both grow with the squared range.

    Args:
        scene: the room, for its sensor.
        seen: what the pixels see.
        surfaces: material of every surface id as the depth sensor sees it.
        rng: source of the noise.
        name: in ``SENSORS``; None for the rooms' own.

    Returns:
        float32 [height, width], metres, 0 = no reading.
    """
    if name is not None:
        return _measured_by(name, scene, seen, surfaces, rng)
    height, width = seen.shape
    gloss = [material.gloss for material in surfaces]
    sensor, z = scene.sensor, seen.distance.reshape(seen.shape)
    blobs = _blobs(rng, height, width)
    level = DISPARITY_SCALE / z + DISPARITY_NOISE * rng.standard_normal(z.shape, dtype=np.float32)
    depth = DISPARITY_SCALE / np.maximum(np.rint(level), 1)
    lost = (z > sensor.max_range) | (z < MIN_RANGE_M)
    lost |= _grazing(seen, sensor.grazing).reshape(z.shape)
    lost |= occluded(z, sensor.baseline * focal_length(scene.camera, width))
    least = _quantiles(blobs, np.asarray([sensor.holes, *gloss], np.float32))
    lost |= blobs < least[0]
    lost |= blobs[::-1, ::-1] < least[1:][seen.surface].reshape(z.shape)
    depth[lost] = 0
    return np.asarray(depth, np.float32)


def _measured_by(
    name: str, scene: Scene, seen: GeometryBuffer, surfaces: list[Material], rng: np.random.Generator
) -> Array:
    """Read the range with one of ``SENSORS``, and lose the room's own share of it in blobs."""
    (dx, dy, dz), (nx, ny, nz) = seen.direction, seen.normal
    cosine = np.abs(dx * nx + dy * ny + dz * nz) / np.sqrt(dx * dx + dy * dy + dz * dz)

    def spread(value: Callable[[Material], float]) -> Array:
        """Value of every pixel's material [height, width]."""
        return np.asarray([value(material) for material in surfaces], np.float32)[seen.surface].reshape(seen.shape)

    view = DepthView(
        range=seen.distance.reshape(seen.shape),
        cosine=cosine.reshape(seen.shape),
        reflectance=spread(_reflectance),
        shine=spread(lambda material: material.gloss),
        texture=spread(lambda material: PLAIN if material.family == "plain" else TEXTURED),
        focal=focal_length(scene.camera, seen.shape[1]),
    )
    depth = SENSORS[name](view, rng)
    if name != "none":
        blobs = _blobs(rng, *seen.shape)
        depth[blobs < _quantiles(blobs, np.asarray([scene.sensor.holes], np.float32))] = 0
    return depth


def _reflectance(material: Material) -> float:
    """Mean of red and green of a material, which is as much as a depth camera's infrared gets back of it."""
    colours = (material.low,) if material.family == "plain" else (material.low, material.high)
    return sum(colour[0] + colour[1] for colour in colours) / (2 * len(colours))


def _blobs(rng: np.random.Generator, height: int, width: int) -> Array:
    """Smooth random field [height, width]; the same blobs at every size."""
    field = np.zeros((height, width), np.float32)
    for rows, columns, weight in ((7, 9, 1.0), (20, 26, 0.6), (48, 60, 0.4)):
        table = rng.standard_normal((rows, columns), dtype=np.float32)
        field += weight * (tent(height, rows) @ table @ tent(width, columns).T)
    return field


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
