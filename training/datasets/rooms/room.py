"""Renders a room and holds its pictures."""

import operator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from crosswire.contract.errors import UsageError
from crosswire.media.palettes import spread_palette
from crosswire.training.datasets.rooms.classes import CLASSES
from crosswire.training.datasets.rooms.decals import paint_decal
from crosswire.training.datasets.rooms.domains import (
    curvature_image,
    edge_image,
    normal_image,
    shade_image,
    texture_image,
)
from crosswire.training.datasets.rooms.intersect import GeometryBuffer, focal_length, solids, trace
from crosswire.training.datasets.rooms.lighting import radiance
from crosswire.training.datasets.rooms.materials import Material, noise_table, paint
from crosswire.training.datasets.rooms.sampling import sample_scene
from crosswire.training.datasets.rooms.scene import PLANES, Scene
from crosswire.training.datasets.rooms.sensor import measure_depth, photograph
from crosswire.training.datasets.rooms.shapes import Array
from crosswire.training.datasets.sensors import check_sensor

Bytes = npt.NDArray[np.uint8]

DOMAINS: tuple[str, ...] = ("rgb", "depth", "normal", "shade", "texture", "edge", "curvature", "semseg")
"""Names that ``Room.domain`` accepts."""

DAYLIGHT = 0.65
"""Brightness of the sky behind windows, relative to the lamp."""


@dataclass(frozen=True, eq=False)
class Room:
    """One picture of one room; everything is registered to the same pixels.

    The arrays below are made by ``render``; the further domains are computed when they are first asked for.

    Attributes:
        rgb: uint8 [H, W, 3], what the colour camera takes, noise included.
        depth: float32 [H, W], what the depth sensor reads along the optical axis, metres, 0 = no reading.
        labels: uint8 [H, W], index into ``CLASSES``.
        range: float32 [H, W], true depth along the optical axis, metres, without noise or holes.
        focal: focal length in pixels; the principal point is the middle of the picture (W / 2, H / 2), and the middle
            of the first pixel lies at (0.5, 0.5).
        scene: what was rendered.
    """

    rgb: Bytes
    depth: Array
    labels: Bytes
    range: Array
    focal: float
    scene: Scene
    _seen: GeometryBuffer = field(repr=False)
    _light: Array = field(repr=False)

    @cached_property
    def normal(self) -> Bytes:
        """Surface normals, uint8 [H, W, 3]: camera axes (right, down, forward), -1..1 mapped to 0..255."""
        return normal_image(self._seen, self.scene.camera)

    @cached_property
    def shade(self) -> Bytes:
        """Untextured room under a lamp fixed to the camera, uint8 [H, W, 1]."""
        return shade_image(self._seen, self.scene.camera)

    @cached_property
    def texture(self) -> Bytes:
        """Texture edges, uint8 [H, W, 3]: gradient of every colour of the room in good light and without noise."""
        return texture_image(self._light, self._seen.shape)

    @cached_property
    def edge(self) -> Bytes:
        """Occlusion edges, uint8 [H, W, 1]: jumps of the true range."""
        return edge_image(self.range)

    @cached_property
    def curvature(self) -> Bytes:
        """Principal curvatures, uint8 [H, W, 3]: larger, smaller, mean; 128 = flat, above = convex."""
        return curvature_image(self._seen)

    @cached_property
    def semseg(self) -> Bytes:
        """Class of every pixel in its colour of ``spread_palette``, uint8 [H, W, 3]."""
        return np.array(spread_palette(len(CLASSES)), np.uint8)[self.labels]

    def domain(self, name: str) -> npt.NDArray[np.generic]:
        """Return the picture of one domain.

        Args:
            name: one of ``DOMAINS``.

        Raises:
            UsageError: if there is no such domain; the message lists those there are.
        """
        if name not in DOMAINS:
            raise UsageError(f"rooms have no domain {name!r}; ask for one of {', '.join(DOMAINS)}")
        picture: npt.NDArray[np.generic] = getattr(self, name)
        return picture


def render(
    seed: int, index: int, height: int = 128, width: int = 160, *, lights_on: bool = False, sensor: str | None = None
) -> Room:
    """Render room number ``index`` of the series ``seed``.

    The same arguments always give the same arrays, and the size changes only how finely the room is sampled (and its
    sensor noise), not what stands in it.

    Args:
        seed: series of rooms, 0 or more.
        index: number within the series, 0 or more.
        height: rows, at least 8.
        width: columns, at least 8.
        lights_on: whether dark rooms are shown in good light instead; nothing else about them changes.
        sensor: depth camera, a name in ``crosswire.training.datasets.sensors.SENSORS``; None for the rooms' own. With
            any but `none`, the blobs that a room's own camera would miss are missing, too.

    Raises:
        UsageError: if an argument is out of range; the message names what is allowed.
    """
    check_sensor(sensor)
    seed, index = at_least("seed", seed, 0), at_least("index", index, 0)
    height, width = at_least("height", height, 8), at_least("width", width, 8)
    scene_stream, sensor_stream = np.random.SeedSequence([seed, index]).spawn(2)
    scene = sample_scene(np.random.default_rng(scene_stream), lights_on=lights_on)
    noise = np.random.default_rng(sensor_stream)
    seen = trace(scene, height, width)
    light = radiance(scene, seen, *_paint(scene, seen))
    return Room(
        rgb=photograph(scene, light, seen.shape, noise),
        depth=measure_depth(scene, seen, _surfaces(scene), noise, sensor),
        labels=_labels(scene)[seen.surface].reshape(seen.shape),
        range=seen.distance.reshape(seen.shape),
        focal=focal_length(scene.camera, width),
        scene=scene,
        _seen=seen,
        _light=light,
    )


def at_least(name: str, value: int, least: int) -> int:
    """Return an argument as a whole number.

    Raises:
        UsageError: it is none, or less than allowed; the message names it.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise UsageError(f"{name} is {value!r}; it must be a whole number, {least} or more")
    return number


def _labels(scene: Scene) -> Bytes:
    """Class of every surface id."""
    planes = [CLASSES.index(name) for name in ("wall", "wall", "wall", "wall", "floor", "ceiling")]
    pieces = [piece.label for piece in scene.furniture for _ in piece.shapes]
    return np.asarray(planes + pieces + [decal.label for decal in scene.decals], np.uint8)


def _materials(scene: Scene) -> list[Material]:
    """Material of every surface id but the decals'."""
    return [*scene.planes, *(piece.material for piece in scene.furniture for _ in piece.shapes)]


def _surfaces(scene: Scene) -> list[Material]:
    """Material of every surface id as the depth sensor sees it: it cannot tell a decal from its plane."""
    return [*_materials(scene), *(scene.planes[decal.plane] for decal in scene.decals)]


def _paint(scene: Scene, seen: GeometryBuffer) -> tuple[Array, Array]:
    """Albedo [3, n] and glow [n] of every pixel."""
    table = noise_table(scene.noise_seed)
    materials = _materials(scene)
    first_decal = PLANES + len(solids(scene))
    daylight = 0.0 if scene.lighting.dark else DAYLIGHT
    (dx, dy, dz), (nx, ny, nz) = seen.direction, seen.normal
    footprint = seen.distance / focal_length(scene.camera, seen.shape[1])
    footprint = footprint / np.maximum(np.abs(dx * nx + dy * ny + dz * nz), 0.05)
    albedo, glow = np.empty((3, footprint.size), np.float32), np.zeros_like(footprint)
    for number, pixels in seen.parts.items():
        u, v, blur = seen.u[pixels], seen.v[pixels], footprint[pixels]
        if number < first_decal:
            albedo[:, pixels] = paint(materials[number], u, v, blur, table)
        else:
            decal = scene.decals[number - first_decal]
            albedo[:, pixels], glow[pixels] = paint_decal(decal, u, v, blur, table, daylight)
    return albedo, glow
