"""A table with things on it, as data; nothing here depends on the size of the picture."""

from dataclasses import dataclass

from crosswire.training.datasets.rooms.materials import Colour, Material
from crosswire.training.datasets.rooms.scene import Camera, Decal
from crosswire.training.datasets.rooms.shapes import Point, Shape


@dataclass(frozen=True)
class Thing:
    """One object, a part of the table, or something in the background.

    Attributes:
        label: class.
        material: colours and texture.
        shapes: its solids.
        inks: three colours printed over the material, as on packages; empty for none.
        seed: place in the noise that the print is cut from.
        casts_shadow: whether lamps are looked for behind it.
    """

    label: int
    material: Material
    shapes: tuple[Shape, ...]
    inks: tuple[Colour, ...] = ()
    seed: float = 0.0
    casts_shadow: bool = True


@dataclass(frozen=True)
class Lamp:
    """A lamp that casts shadows.

    Attributes:
        position: metres, world axes.
        colour: red, green, blue, times its strength.
    """

    position: Point
    colour: Colour


@dataclass(frozen=True)
class Photo:
    """How the colour camera takes its picture.

    Attributes:
        exposure: mean brightness that it aims at, 1 = saturation.
        balance: gains of red, green and blue.
        blur: reach of the blur as a share of the picture's width, across and down.
        photon: variance of the photon noise where the signal is 1.
        read: deviation of the read noise.
        vignette: share of the light that is missing in the corners.
    """

    exposure: float
    balance: Colour
    blur: tuple[float, float]
    photon: float
    read: float
    vignette: float


@dataclass(frozen=True)
class Crop:
    """What is cut out of a cloud of points: a prism upon the table, or everything up to a distance.

    Attributes:
        low: least x and y in the table's frame, metres.
        high: largest x and y in the table's frame.
        below: metres below the table's top at which the prism begins.
        farthest: largest depth, metres.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    below: float
    farthest: float


@dataclass(frozen=True)
class Depth:
    """How the depth camera reads.

    Attributes:
        sensor: name in ``SENSORS``.
        noise: what the errors of its readings are multiplied with.
        holes: share of the readings lost in random blobs or blocks.
        blocks: number of blocks along the width, or 0 for blobs.
        crop: what is left of it, or None for all.
    """

    sensor: str
    noise: float
    holes: float
    blocks: int
    crop: Crop | None


@dataclass(frozen=True)
class Wave:
    """One wave of an uneven table top: ``height * sin(x * along[0] + y * along[1] + phase)``, metres and radians."""

    height: float
    along: tuple[float, float]
    phase: float


@dataclass(frozen=True)
class TableTop:
    """Where the table is.

    Attributes:
        frame: x, y of its middle and its turn in radians.
        half_size: half its width and half its depth, metres.
        height: of its top, metres.
        waves: how its top departs from a plane; none for an even one.
    """

    frame: Point
    half_size: tuple[float, float]
    height: float
    waves: tuple[Wave, ...]


@dataclass(frozen=True)
class TableScene:
    """Everything in view; the room around it is a box as in ``rooms``.

    Attributes:
        size: inner width (x), length (y) and height (z) of the room, metres.
        planes: materials of its six planes, as in ``rooms``.
        furniture: background, table and objects.
        camera: both cameras, which are registered.
        top: where the table is.
        lamps: one or more.
        ambient: light from everywhere, relative to the lamps.
        photo: how colour is taken.
        depth: how depth is read.
        noise_seed: seeds the lattice of the noise textures.
        decals: none.
    """

    size: Point
    planes: tuple[Material, ...]
    furniture: tuple[Thing, ...]
    camera: Camera
    top: TableTop
    lamps: tuple[Lamp, ...]
    ambient: float
    photo: Photo
    depth: Depth
    noise_seed: int
    decals: tuple[Decal, ...] = ()
