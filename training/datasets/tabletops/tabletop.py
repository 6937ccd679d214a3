"""Renders a table and holds its pictures."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.intersect import GeometryBuffer, focal_length, split, trace
from crosswire.training.datasets.rooms.materials import Material, noise_table, paint
from crosswire.training.datasets.rooms.room import at_least
from crosswire.training.datasets.rooms.scene import PLANES
from crosswire.training.datasets.rooms.shapes import Array
from crosswire.training.datasets.sensors import DepthView, check_sensor
from crosswire.training.datasets.sensors.view import PLAIN, TEXTURED
from crosswire.training.datasets.tabletops.classes import BACKGROUND, TABLE
from crosswire.training.datasets.tabletops.lighting import radiance
from crosswire.training.datasets.tabletops.photo import photograph
from crosswire.training.datasets.tabletops.prints import paint_print
from crosswire.training.datasets.tabletops.reading import read_depth
from crosswire.training.datasets.tabletops.sampling import sample_scene
from crosswire.training.datasets.tabletops.scene import TableScene, TableTop

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tabletop:
    """One picture of one table; everything is registered to the same pixels.

    Attributes:
        rgb: uint8 [H, W, 3], what the colour camera takes.
        depth: float32 [H, W], what the depth camera reads along the optical axis, metres, 0 = no reading.
        labels: uint8 [H, W], index into ``CLASSES``; known everywhere, also where depth is missing.
        range: float32 [H, W], true depth along the optical axis, metres, without noise or holes.
        focal: focal length in pixels; the principal point is the middle of the picture.
        scene: what was rendered.
    """

    rgb: Bytes
    depth: Array
    labels: Bytes
    range: Array
    focal: float
    scene: TableScene


def render(seed: int, index: int, height: int = 240, width: int = 320, *, sensor: str | None = None) -> Tabletop:
    """Render table number ``index`` of the series ``seed``.

    The same arguments always give the same arrays, and the size changes only how finely the scene is sampled (and the
    noise of its cameras), not what stands in it.

    Args:
        seed: series of tables, 0 or more.
        index: number within the series, 0 or more.
        height: rows, at least 8.
        width: columns, at least 8.
        sensor: depth camera, a name in ``SENSORS``; None draws one for every table.

    Raises:
        UsageError: if an argument is out of range; the message names what is allowed.
    """
    seed, index = at_least("seed", seed, 0), at_least("index", index, 0)
    height, width = at_least("height", height, 8), at_least("width", width, 8)
    check_sensor(sensor)
    scene_stream, noise_stream = np.random.SeedSequence([seed, index]).spawn(2)
    scene = sample_scene(np.random.default_rng(scene_stream), sensor)
    noise = np.random.default_rng(noise_stream)
    labels = _labels(scene)
    seen = _uneven(scene.top, trace(scene, height, width), labels)
    cosine, slant = _incidence(seen)
    materials = _materials(scene)
    albedo = _paint(scene, seen, materials, slant)
    shine = np.asarray([material.gloss for material in materials], np.float32)[seen.surface]
    light = radiance(scene, seen, albedo, shine)
    view = DepthView(
        range=seen.distance.reshape(seen.shape),
        cosine=cosine.reshape(seen.shape),
        reflectance=((albedo[0] + albedo[1]) / 2).reshape(seen.shape),
        shine=shine.reshape(seen.shape),
        texture=_texture(scene, materials)[seen.surface].reshape(seen.shape),
        focal=focal_length(scene.camera, width),
    )
    return Tabletop(
        rgb=photograph(scene.photo, light, seen.shape, noise),
        depth=read_depth(scene, seen, view, noise),
        labels=labels[seen.surface].reshape(seen.shape),
        range=view.range,
        focal=view.focal,
        scene=scene,
    )


def _labels(scene: TableScene) -> Bytes:
    """Class of every surface id."""
    return np.asarray(
        [BACKGROUND] * PLANES + [thing.label for thing in scene.furniture for _ in thing.shapes], np.uint8
    )


def _materials(scene: TableScene) -> list[Material]:
    """Material of every surface id."""
    return [*scene.planes, *(thing.material for thing in scene.furniture for _ in thing.shapes)]


def _texture(scene: TableScene, materials: list[Material]) -> Array:
    """Contrast of every surface id, 0..1."""
    printed = [False] * PLANES + [bool(thing.inks) for thing in scene.furniture for _ in thing.shapes]
    plain = [material.family == "plain" and not ink for material, ink in zip(materials, printed, strict=True)]
    return np.where(plain, PLAIN, TEXTURED).astype(np.float32)


def _uneven(top: TableTop, seen: GeometryBuffer, labels: Bytes) -> GeometryBuffer:
    """Raise and lower the table's top by its waves, to first order along each ray."""
    if not top.waves:
        return seen
    pixels = np.flatnonzero((labels[seen.surface] == TABLE) & (seen.normal[2] > 0.9))
    x, y = seen.point[0][pixels], seen.point[1][pixels]
    rise, slope_x, slope_y = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for wave in top.waves:
        phase = np.float32(wave.along[0]) * x + np.float32(wave.along[1]) * y + np.float32(wave.phase)
        rise += np.float32(wave.height) * np.sin(phase)
        steep = np.float32(wave.height) * np.cos(phase)
        slope_x += np.float32(wave.along[0]) * steep
        slope_y += np.float32(wave.along[1]) * steep
    length = np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    for axis, value in enumerate((-slope_x, -slope_y, np.float32(1))):
        seen.normal[axis][pixels] = value / length
    seen.point[2][pixels] += rise
    distance = seen.distance.copy()
    distance[pixels] += rise / np.minimum(seen.direction[2][pixels], np.float32(-0.2))
    return dataclasses.replace(seen, distance=distance)


def _incidence(seen: GeometryBuffer) -> tuple[Array, Array]:
    """Cosine between ray and normal [n], and the same times the ray's length [n]."""
    (dx, dy, dz), (nx, ny, nz) = seen.direction, seen.normal
    slant = np.abs(dx * nx + dy * ny + dz * nz)
    return slant / np.sqrt(dx * dx + dy * dy + dz * dz), slant


def _paint(scene: TableScene, seen: GeometryBuffer, materials: list[Material], slant: Array) -> Array:
    """Albedo [3, n] of every pixel."""
    table = noise_table(scene.noise_seed)
    footprint = seen.distance / np.float32(focal_length(scene.camera, seen.shape[1])) / np.maximum(slant, 0.05)
    things = [None] * PLANES + [thing for thing in scene.furniture for _ in thing.shapes]
    albedo = np.empty((3, footprint.size), np.float32)
    for number, pixels in split(seen.surface).items():
        u, v = seen.u[pixels], seen.v[pixels]
        part = paint(materials[number], u, v, footprint[pixels], table)
        thing = things[number]
        if thing is not None and thing.inks:
            paint_print(part, thing.inks, u, v, table, thing.seed)
        albedo[:, pixels] = part
    return albedo
