"""A room as data: camera, lamp, walls, what lies flush on them and the furniture."""

from dataclasses import dataclass

from crosswire.training.datasets.rooms.materials import Material
from crosswire.training.datasets.rooms.shapes import Point, Shape

PLANES = 6
"""Surfaces 0..5 of every room: walls x=0, x=width, y=0, y=length, then floor, then ceiling."""
FLOOR, CEILING = 4, 5


@dataclass(frozen=True)
class Camera:
    """A pin-hole camera.

    Attributes:
        position: metres, world axes.
        axes: right, down and forward directions, unit length, world axes.
        half_width: tangent of half the horizontal field of view.
    """

    position: Point
    axes: tuple[Point, Point, Point]
    half_width: float


@dataclass(frozen=True)
class Lighting:
    """Light in the room: one lamp that casts shadows, a fill light at the camera, and ambient light.

    Attributes:
        lamp: position in metres, world axes.
        colour: of the lamp, red, green, blue.
        fill: strength of the light at the camera, relative to the lamp.
        ambient: strength of the light from everywhere, relative to the lamp.
        exposure: mean brightness the camera aims at, 1 = saturation.
        dark: whether the light is so low that noise drowns the picture.
    """

    lamp: Point
    colour: Point
    fill: float
    ambient: float
    exposure: float
    dark: bool


@dataclass(frozen=True)
class DepthSensor:
    """A structured-light range camera.

    Attributes:
        max_range: metres beyond which nothing is read.
        baseline: metres from the projector to the camera, negative if it stands on the left.
        grazing: smallest cosine between ray and normal that is read.
        holes: share of the picture lost in random blobs.
        poor: whether so much is lost that colour has to help.
    """

    max_range: float
    baseline: float
    grazing: float
    holes: float
    poor: bool


@dataclass(frozen=True)
class Decal:
    """A door, picture, window or rug, flush with its plane.

    Attributes:
        label: class.
        plane: surface index of the wall or floor that carries it.
        centre: position in the texture coordinates of the plane, metres.
        half_size: half the extent, metres.
        turn: radians about the plane's normal.
        material: colours and texture of the inner part.
        variant: number in 0..1 that selects among the looks of the class.
    """

    label: int
    plane: int
    centre: tuple[float, float]
    half_size: tuple[float, float]
    turn: float
    material: Material
    variant: float


@dataclass(frozen=True)
class Furniture:
    """One object: a label, one material, one or more solids."""

    label: int
    material: Material
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Scene:
    """Everything that is in a room; nothing here depends on the size of the picture.

    Attributes:
        size: inner width (x), length (y) and height (z), metres.
        planes: materials of the six planes in the order of ``PLANES``.
        noise_seed: seeds the lattice of the noise textures.
    """

    size: Point
    planes: tuple[Material, ...]
    decals: tuple[Decal, ...]
    furniture: tuple[Furniture, ...]
    camera: Camera
    lighting: Lighting
    sensor: DepthSensor
    noise_seed: int
