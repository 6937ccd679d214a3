"""Draws tables at random: the table, where the cameras stand, what lies on it, the light and how it is seen."""

import dataclasses
import math

import numpy as np

from crosswire.training.datasets.rooms.materials import Colour, Material, sample_material
from crosswire.training.datasets.rooms.sampling import camera_towards
from crosswire.training.datasets.rooms.scene import Camera
from crosswire.training.datasets.rooms.shapes import Box, Cylinder, Point, Shape
from crosswire.training.datasets.tabletops.classes import BACKGROUND, OBJECT, TABLE
from crosswire.training.datasets.tabletops.placing import Placed, in_frame, lay_out
from crosswire.training.datasets.tabletops.scene import (
    Crop,
    Depth,
    Lamp,
    Photo,
    TableScene,
    TableTop,
    Thing,
    Wave,
)

NEAREST_M = 0.4
"""Least distance of an object from the camera."""
KINECT_HALF_WIDTH = 0.61
SENSOR_SHARES = {"kinect-v1": 0.45, "kinect-v2": 0.2, "realsense": 0.25, "none": 0.1}
DARK_SHARE, HOLES_SHARE, NOISY_SHARE, CROP_SHARE, UNEVEN_SHARE = 0.12, 0.3, 0.25, 0.45, 0.2


def sample_scene(rng: np.random.Generator, sensor: str | None = None) -> TableScene:
    """Draw a table with things on it.

    Args:
        rng: source of the scene.
        sensor: depth camera, or None for any; nothing else depends on it.
    """
    top, back_to_wall = _sample_top(rng)
    focus_own = [rng.uniform(-0.6, 0.6) * half for half in top.half_size]
    c, s = math.cos(top.frame[2]), math.sin(top.frame[2])
    focus = (c * focus_own[0] - s * focus_own[1], s * focus_own[0] + c * focus_own[1])
    camera = _sample_camera(rng, (*focus, top.height))
    size, shift = _sample_room(rng, top, camera, back_to_wall)
    top = dataclasses.replace(top, frame=(shift[0], shift[1], top.frame[2]))
    camera = dataclasses.replace(camera, position=_shifted(camera.position, shift))
    focus = (focus[0] + shift[0], focus[1] + shift[1])
    away = math.dist(camera.position, (*focus, top.height))

    material = _table_material(rng)
    count = 1 + min(int(rng.exponential(3.6)), 13)
    near = rng.uniform(0.08, 0.25)
    placed = lay_out(rng, top, focus, near * min(away, 1.2), count, lambda one: _clear(camera, one))
    furniture = _table(rng, top, material) + _background(rng, top, camera, size)
    furniture += [_object(rng, one, material) for one in placed]
    planes = [_wall_material(rng)] * 4 + [sample_material(rng) for _ in range(2)]
    dark = rng.random() < DARK_SHARE
    return TableScene(
        size=size,
        planes=tuple(planes),
        furniture=tuple(furniture),
        camera=camera,
        top=top,
        lamps=_sample_lamps(rng, size, top),
        ambient=rng.uniform(0.25, 1.2),
        photo=_sample_photo(rng, dark),
        depth=_sample_depth(rng, top, focus, away, dark, sensor),
        noise_seed=int(rng.integers(2**31)),
    )


def _clear(camera: Camera, one: Placed) -> bool:
    """Whether an object leaves the camera some room."""
    x, y, z = camera.position
    across = max(math.hypot(one.middle[0] - x, one.middle[1] - y) - one.radius, 0)
    return math.hypot(across, max(z - one.top, 0)) > NEAREST_M


def _shifted(point: Point, shift: tuple[float, float]) -> Point:
    return point[0] + shift[0], point[1] + shift[1], point[2]


def _sample_top(rng: np.random.Generator) -> tuple[TableTop, bool]:
    """Draw a table about the origin, and whether a side of it is parallel to a wall."""
    half = (rng.uniform(0.35, 1.1), rng.uniform(0.25, 0.6))
    height = rng.uniform(0.4, 0.95)
    aligned = rng.random() < 0.6
    turn = (0.0, math.pi / 2)[rng.integers(2)] if aligned else rng.uniform(0, 2 * math.pi)
    waves: list[Wave] = []
    if rng.random() < UNEVEN_SHARE:
        for _ in range(4):
            length, way = rng.uniform(0.2, 0.9), rng.uniform(0, 2 * math.pi)
            along = (2 * math.pi / length * math.cos(way), 2 * math.pi / length * math.sin(way))
            waves.append(Wave(rng.uniform(0.002, 0.008) * length, along, rng.uniform(0, 2 * math.pi)))
    return TableTop((0.0, 0.0, turn), half, height, tuple(waves)), aligned


def _sample_camera(rng: np.random.Generator, focus: Point) -> Camera:
    """Look down at a point of the table: from a robot's head or a tripod, or now and then from a hand."""
    pitch = math.radians(rng.triangular(18, 38, 80))
    away = rng.triangular(0.5, 0.7, 1.5)
    azimuth = rng.uniform(0, 2 * math.pi)
    in_hand = rng.random() < 0.2
    roll = rng.uniform(-0.35, 0.35) if in_hand else 0.03 * rng.standard_normal()
    back = (math.cos(azimuth) * math.cos(pitch), math.sin(azimuth) * math.cos(pitch), -math.sin(pitch))
    x, y, z = (f - away * b for f, b in zip(focus, back, strict=True))
    half_width = KINECT_HALF_WIDTH if rng.random() < 0.4 else rng.uniform(0.48, 0.78)
    aim = rng.uniform(-0.35, 0.35, 2) * half_width * (0.8, 0.6)
    heading, tilt = azimuth + float(aim[0]), -pitch + float(aim[1])
    return camera_towards((x, y, z), heading, tilt, float(roll), half_width)


def _sample_room(
    rng: np.random.Generator, top: TableTop, camera: Camera, aligned: bool
) -> tuple[Point, tuple[float, float]]:
    """Draw the walls around table and camera; return the room's size and what moves the table into it."""
    c, s = abs(math.cos(top.frame[2])), abs(math.sin(top.frame[2]))
    reach = (
        c * top.half_size[0] + s * top.half_size[1],
        s * top.half_size[0] + c * top.half_size[1],
    )
    size, shift = [], []
    for axis in (0, 1):
        gaps = [rng.uniform(0.0, 0.06) if aligned and rng.random() < 0.4 else rng.uniform(0.2, 3.0) for _ in range(2)]
        low = min(-reach[axis] - gaps[0], camera.position[axis] - 0.4)
        high = max(reach[axis] + gaps[1], camera.position[axis] + 0.4)
        size.append(high - low)
        shift.append(-low)
    height = max(rng.uniform(2.3, 3.0), camera.position[2] + 0.3)
    return (size[0], size[1], height), (shift[0], shift[1])


def _pale(rng: np.random.Generator) -> Colour:
    """Draw the colour of furniture and walls in offices and kitchens: from white and grey to wood."""
    value, warm = rng.uniform(0.35, 0.85), rng.uniform(0, 0.45) ** 2
    return value * (1 + warm), value * (1 + 0.2 * warm), value * (1 - 1.3 * warm)


def _wall_material(rng: np.random.Generator) -> Material:
    """Draw the walls' looks: half of them plain and pale."""
    material = sample_material(rng)
    if rng.random() < 0.5:
        pale = _pale(rng)
        material = dataclasses.replace(material, family="plain", low=pale, high=pale)
    return material


def _table_material(rng: np.random.Generator) -> Material:
    """Draw the table's looks: more often plain or wooden than a cloth."""
    material = sample_material(rng)
    family = material.family if rng.random() < 0.5 else ("plain", "planks", "marble")[rng.integers(3)]
    gloss = rng.uniform(0.1, 0.4) if rng.random() < 0.08 else rng.uniform(0.0, 0.03)
    if rng.random() < 0.5:
        pale = _pale(rng)
        change = rng.uniform(0.8, 1.1)
        red, green, blue = (min(0.95, c * change) for c in pale)
        material = dataclasses.replace(material, low=pale, high=(red, green, blue))
    return dataclasses.replace(material, family=family, scale=rng.uniform(0.04, 0.5), gloss=gloss)


def _table(rng: np.random.Generator, top: TableTop, material: Material) -> list[Thing]:
    """A slab, rectangular or round, on legs, on a body, or on nothing that is seen."""
    (w, d), h = top.half_size, top.height
    thick = rng.uniform(0.015, 0.05)
    x, y, _ = top.frame
    if rng.random() < 0.12:
        slab: Shape = Cylinder(x, y, math.hypot(w, d), h - thick, h)
    else:
        slab = Box(top.frame, (-w, -d, h - thick), (w, d, h))
    things = [Thing(TABLE, material, (slab,))]
    draw = rng.random()
    below = material if rng.random() < 0.5 else sample_material(rng)
    if draw < 0.5:
        leg, low = rng.uniform(0.02, 0.04), h - thick
        spots = [(a * (w - leg - 0.02), b * (d - leg - 0.02)) for a in (-1, 1) for b in (-1, 1)]
        legs = tuple(Box(top.frame, (a - leg, b - leg, 0.0), (a + leg, b + leg, low)) for a, b in spots)
        things.append(Thing(TABLE, below, legs, casts_shadow=False))
    elif draw < 0.7:
        inset = rng.uniform(0.01, 0.1)
        body = Box(top.frame, (inset - w, inset - d, 0.0), (w - inset, d - inset, h - thick))
        things.append(Thing(TABLE, below, (body,), casts_shadow=False))
    return things


def _background(rng: np.random.Generator, top: TableTop, camera: Camera, size: Point) -> list[Thing]:
    """Draw boxes, cylinders and balls on the floor around the table."""
    forward = camera.axes[2]
    heading = math.atan2(forward[1], forward[0])
    things: list[Thing] = []
    for _ in range(rng.integers(0, 6)):
        bearing, away = heading + rng.uniform(-1.0, 1.0), rng.uniform(1.0, 3.5)
        x, y = camera.position[0] + away * math.cos(bearing), camera.position[1] + away * math.sin(bearing)
        half = rng.uniform(0.05, 0.4, 2).tolist()
        reach = math.hypot(*half)
        a, b = in_frame(top.frame, x, y)
        if abs(a) < top.half_size[0] + reach and abs(b) < top.half_size[1] + reach:
            continue
        if math.hypot(x - camera.position[0], y - camera.position[1]) < reach + 0.5:
            continue
        high, draw = rng.uniform(0.2, 1.6), rng.random()
        turn = 0.0 if rng.random() < 0.5 else rng.uniform(0, math.pi)
        shape: Shape = Box((x, y, turn), (-half[0], -half[1], 0.0), (half[0], half[1], high))
        if draw < 0.25:
            shape = Cylinder(x, y, min(half), 0.0, high)
        things.append(Thing(BACKGROUND, sample_material(rng), (shape,), casts_shadow=False))
    return things


def _object(rng: np.random.Generator, one: Placed, table: Material) -> Thing:
    """Paint an object: plain, patterned, printed, or like the table itself."""
    material = sample_material(rng)
    family = "plain" if rng.random() < 0.5 else material.family
    gloss = rng.uniform(0.15, 0.7) if rng.random() < 0.15 else rng.uniform(0.0, 0.04)
    material = dataclasses.replace(material, family=family, scale=rng.uniform(0.01, 0.12), gloss=gloss)
    if rng.random() < 0.6:
        material = dataclasses.replace(material, low=_vivid(rng), high=_vivid(rng))
    if rng.random() < 0.08:
        material = table
    inks: tuple[Colour, ...] = ()
    if rng.random() < one.plan.printed:
        inks = _vivid(rng), _vivid(rng), _vivid(rng)
    return Thing(OBJECT, material, one.shapes, inks, rng.uniform(0, 60))


def _vivid(rng: np.random.Generator) -> Colour:
    """Draw the colour of a thing that is made to be seen: of any hue, often white, now and then black."""
    if (draw := rng.random()) < 0.3:
        grey = rng.uniform(0.65, 0.92) if draw < 0.22 else rng.uniform(0.02, 0.08)
        return grey, grey, grey
    value, pure, hue = rng.uniform(0.15, 0.9), rng.uniform(0.2, 1.0), rng.uniform(0, 2 * math.pi)
    red, green, blue = (
        max(0.015, value * (1 - pure * (0.5 - 0.5 * math.cos(hue + channel * 2 * math.pi / 3)))) for channel in range(3)
    )
    return red, green, blue


def _sample_lamps(rng: np.random.Generator, size: Point, top: TableTop) -> tuple[Lamp, ...]:
    """One to three lamps or windows, somewhere above the table."""
    lamps = []
    for _ in range(1 + rng.choice(3, p=(0.45, 0.4, 0.15))):
        x, y = (rng.uniform(0.05, 0.95) * extent for extent in size[:2])
        strength, warmth = rng.uniform(0.3, 1.0), rng.uniform(-0.25, 0.3)
        colour = tuple(strength * c for c in (1 + warmth, 1 + rng.uniform(-0.06, 0.06), 1 - warmth))
        high = rng.uniform(top.height + 0.9, max(size[2], top.height + 1.2))
        lamps.append(Lamp((x, y, high), (colour[0], colour[1], colour[2])))
    return tuple(lamps)


def _sample_photo(rng: np.random.Generator, dark: bool) -> Photo:
    exposure = rng.uniform(0.01, 0.06) if dark else rng.uniform(0.14, 0.6)
    read = rng.uniform(0.02, 0.1) if dark else math.exp(rng.uniform(math.log(0.0005), math.log(0.012)))
    balance = tuple(float(g) for g in np.exp(rng.normal(0, 0.08, 3)))
    sharp = rng.random() < 0.6
    across, down = (0.0, 0.0) if sharp else rng.uniform(0.0, 0.006, 2).tolist()
    return Photo(
        exposure,
        (balance[0], balance[1], balance[2]),
        (across, down),
        math.exp(rng.uniform(math.log(0.00003), math.log(0.002))),
        read,
        max(0.0, rng.uniform(-0.3, 0.3)),
    )


def _sample_depth(
    rng: np.random.Generator, top: TableTop, focus: tuple[float, float], away: float, dark: bool, sensor: str | None
) -> Depth:
    """Draw a depth camera and what becomes of its readings; dark frames have good ones."""
    names = list(SENSOR_SHARES)
    drawn = names[int(rng.choice(len(names), p=list(SENSOR_SHARES.values())))]
    noise = rng.uniform(1.5, 4.0) if not dark and rng.random() < NOISY_SHARE else 1.0
    holes = rng.uniform(0.1, 0.85) if not dark and rng.random() < HOLES_SHARE else rng.uniform(0.0, 0.03)
    if holes < 0.015:
        holes = 0.0
    blocks = int(rng.integers(4, 20)) if rng.random() < 0.5 else 0
    crop = _sample_crop(rng, top, focus, away) if rng.random() < CROP_SHARE else None
    return Depth(sensor or drawn, noise, holes, blocks, crop)


def _sample_crop(rng: np.random.Generator, top: TableTop, focus: tuple[float, float], away: float) -> Crop:
    """Cut the table free: its sides, or some way within, but never much of what stands around the focus."""
    middle = in_frame(top.frame, *focus)
    sides = []
    for sign in (-1, 1):
        side = []
        for axis in (0, 1):
            edge = sign * top.half_size[axis] * rng.uniform(0.7, 1.02)
            least = middle[axis] + sign * 0.25
            side.append(max(edge, least) if sign > 0 else min(edge, least))
        sides.append((side[0], side[1]))
    return Crop(sides[0], sides[1], rng.uniform(0.01, 0.05), away * rng.uniform(1.25, 2.5))
