"""Furniture with random measures, and decals, put where the camera can see them: on the floor and on walls."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crosswire.training.datasets.rooms.classes import CLASSES
from crosswire.training.datasets.rooms.materials import Material, sample_material
from crosswire.training.datasets.rooms.scene import FLOOR, Camera, Decal, Furniture
from crosswire.training.datasets.rooms.shapes import Ball, Box, Cylinder, Point, Shape

ATTEMPTS = 12


@dataclass(frozen=True)
class Plan:
    """A piece of furniture before it has a place.

    Attributes:
        depth: from front to back, metres.
        radius: of the circle around its footprint, metres.
        likes_walls: whether it may stand with its back to a wall.
        build: makes the solids at a spot (x, y, turn); the back looks along +y of the turned frame.
    """

    depth: float
    radius: float
    likes_walls: bool
    build: Callable[[Point], tuple[Shape, ...]]


Maker = Callable[[np.random.Generator, float], Plan]


def _boxes(width: float, depth: float, likes_walls: bool, parts: list[tuple[Point, Point]]) -> Plan:
    def build(spot: Point) -> tuple[Shape, ...]:
        return tuple(Box(spot, low, high) for low, high in parts)

    return Plan(depth, math.hypot(width, depth) / 2, likes_walls, build)


def cabinet(rng: np.random.Generator, ceiling: float) -> Plan:
    """One box: anything from a chest to a wardrobe."""
    w, d = rng.uniform(0.6, 1.2), rng.uniform(0.45, 0.7)
    return _boxes(w, d, True, [((-w / 2, -d / 2, 0.0), (w / 2, d / 2, rng.uniform(0.7, min(2.0, ceiling - 0.2))))])


def table(rng: np.random.Generator, ceiling: float) -> Plan:
    """A slab on four legs."""
    w, d, h = rng.uniform(1.0, 1.7), rng.uniform(0.7, 1.0), rng.uniform(0.6, 0.8)
    thick, leg = rng.uniform(0.05, 0.1), rng.uniform(0.07, 0.12)
    parts: list[tuple[Point, Point]] = [((-w / 2, -d / 2, h - thick), (w / 2, d / 2, h))]
    for x in (-w / 2, w / 2 - leg):
        parts += [((x, y, 0.0), (x + leg, y + leg, h - thick)) for y in (-d / 2, d / 2 - leg)]
    return _boxes(w, d, False, parts)


def sofa(rng: np.random.Generator, ceiling: float) -> Plan:
    """Seat, back and two arms."""
    w, d, seat = rng.uniform(1.3, 2.0), rng.uniform(0.75, 0.95), rng.uniform(0.38, 0.46)
    arm, arm_height = rng.uniform(0.15, 0.24), seat + rng.uniform(0.12, 0.22)
    back, back_height = rng.uniform(0.18, 0.26), seat + rng.uniform(0.35, 0.55)
    parts: list[tuple[Point, Point]] = [
        ((-w / 2 + arm, -d / 2, 0.0), (w / 2 - arm, d / 2 - back, seat)),
        ((-w / 2, d / 2 - back, 0.0), (w / 2, d / 2, back_height)),
        ((-w / 2, -d / 2, 0.0), (-w / 2 + arm, d / 2 - back, arm_height)),
        ((w / 2 - arm, -d / 2, 0.0), (w / 2, d / 2 - back, arm_height)),
    ]
    return _boxes(w, d, True, parts)


def column(rng: np.random.Generator, ceiling: float) -> Plan:
    """An upright cylinder, up to the ceiling or as high as a pedestal."""
    radius = rng.uniform(0.2, 0.35)
    top = ceiling if rng.random() < 0.5 else rng.uniform(0.7, 1.4)
    return Plan(2 * radius, radius, False, lambda spot: (Cylinder(spot[0], spot[1], radius, 0.0, top),))


def ball(rng: np.random.Generator, ceiling: float) -> Plan:
    """A big ball on the floor."""
    radius = rng.uniform(0.28, 0.5)
    return Plan(2 * radius, radius, False, lambda spot: (Ball((spot[0], spot[1], radius), radius),))


MAKERS: dict[str, Maker] = {"cabinet": cabinet, "table": table, "sofa": sofa, "column": column, "ball": ball}


@dataclass(frozen=True)
class Space:
    """The empty room while it is being filled: random source, inner size, camera, materials in stock."""

    rng: np.random.Generator
    size: Point
    camera: Camera
    stock: tuple[Material, ...]

    def bearing(self, spread: float = 0.9) -> float:
        """Draw a horizontal direction within the field of view, radians."""
        forward = self.camera.axes[2]
        half = math.atan(self.camera.half_width) * spread
        return math.atan2(forward[1], forward[0]) + self.rng.uniform(-half, half)

    def material(self) -> Material:
        """Draw a material: often one that is already in the room, so that colour gives nothing away."""
        if self.rng.random() < 0.55:
            return self.stock[self.rng.integers(len(self.stock))]
        return sample_material(self.rng)

    def wall_ahead(self, bearing: float) -> tuple[int, float, float]:
        """Return the wall met in a direction (surface id), the texture coordinate there and the distance, metres."""
        best = (0, 0.0, math.inf)
        direction = (math.cos(bearing), math.sin(bearing))
        for axis in (0, 1):
            step = direction[axis]
            if abs(step) < 1e-6:
                continue
            far = step > 0
            distance = ((self.size[axis] if far else 0.0) - self.camera.position[axis]) / step
            if distance < best[2]:
                other = 1 - axis
                best = (2 * axis + far, self.camera.position[other] + distance * direction[other], distance)
        return best


def hang_and_lay(space: Space) -> tuple[Decal, ...]:
    """Hang doors, pictures and windows on walls in view, and lay a rug; none overlaps another."""
    rng = space.rng
    names = [n for n, share in (("door", 0.75), ("picture", 0.8), ("window", 0.75)) if rng.random() < share]
    names += [("door", "picture", "window")[rng.integers(3)] for _ in range(2)]
    placed: list[Decal] = []
    for name in names:
        for _ in range(ATTEMPTS):
            decal = _wall_decal(space, name)
            if decal is not None and all(_apart(decal, other) for other in placed):
                placed.append(decal)
                break
    if rng.random() < 0.7:
        placed.append(_rug(space))
    return tuple(placed)


def _wall_decal(space: Space, name: str) -> Decal | None:
    rng = space.rng
    plane, along, _ = space.wall_ahead(space.bearing())
    length = space.size[1] if plane < 2 else space.size[0]
    match name:
        case "door":
            half = (rng.uniform(0.42, 0.6), rng.uniform(1.0, 1.1))
            height = half[1]
        case "picture":
            half = (rng.uniform(0.35, 0.8), rng.uniform(0.3, 0.55))
            height = rng.uniform(1.4, 1.65)
        case _:
            half = (rng.uniform(0.5, 0.95), rng.uniform(0.45, 0.7))
            height = rng.uniform(1.4, 1.6)
    along = min(max(along, half[0] + 0.1), length - half[0] - 0.1)
    return Decal(CLASSES.index(name), plane, (along, height), half, 0.0, space.material(), rng.random())


def _apart(one: Decal, two: Decal) -> bool:
    gap = abs(one.centre[0] - two.centre[0]) - one.half_size[0] - two.half_size[0]
    return one.plane != two.plane or gap > 0.1


def _rug(space: Space) -> Decal:
    rng = space.rng
    bearing, distance = space.bearing(0.75), rng.uniform(1.8, 3.8)
    half = (rng.uniform(0.8, 1.4), rng.uniform(0.7, 1.1))
    x = space.camera.position[0] + distance * math.cos(bearing)
    y = space.camera.position[1] + distance * math.sin(bearing)
    x, y = (min(max(c, 1.0), extent - 1.0) for c, extent in zip((x, y), space.size[:2], strict=True))
    return Decal(CLASSES.index("rug"), FLOOR, (x, y), half, rng.uniform(0, math.pi), space.material(), rng.random())


def furnish(space: Space) -> tuple[Furniture, ...]:
    """Place four to seven pieces that neither touch one another nor block the view."""
    rng = space.rng
    names = list(rng.permutation(["cabinet", "table", "sofa", "column", "ball"]))
    names += names[: rng.integers(0, 3)]
    taken: list[tuple[float, float, float]] = []
    pieces: list[Furniture] = []
    for name in names:
        for _ in range(ATTEMPTS):
            plan = MAKERS[name](rng, space.size[2])
            spot = _spot(space, plan.depth, plan.radius, against_wall=plan.likes_walls and rng.random() < 0.5)
            if spot is None or any(_overlap(spot, plan.radius, other) for other in taken):
                continue
            taken.append((spot[0], spot[1], plan.radius))
            pieces.append(Furniture(CLASSES.index(name), space.material(), plan.build(spot)))
            break
    return tuple(pieces)


def _overlap(spot: Point, radius: float, other: Point) -> bool:
    return math.hypot(spot[0] - other[0], spot[1] - other[1]) < 0.92 * (radius + other[2])


def _spot(space: Space, depth: float, radius: float, against_wall: bool) -> Point | None:
    """Draw a place on the floor and a turn; None if the piece would stick in a wall or block the view."""
    rng = space.rng
    x, y, _ = space.camera.position
    bearing = space.bearing()
    plane, along, distance = space.wall_ahead(bearing)
    if against_wall:
        axis, far = divmod(plane, 2)
        extent = space.size[1 - axis]
        across = space.size[axis] - depth / 2 - 0.01 if far else depth / 2 + 0.01
        along = min(max(along, radius), extent - radius)
        spot = (across, along) if axis == 0 else (along, across)
        turn = (math.pi / 2, -math.pi / 2, math.pi, 0.0)[plane]
    else:
        away = rng.uniform(1.3, max(1.4, min(4.6, distance)))
        spot = (x + away * math.cos(bearing), y + away * math.sin(bearing))
        turn = rng.uniform(0, 2 * math.pi)
        if any(not radius < c < extent - radius for c, extent in zip(spot, space.size[:2], strict=True)):
            return None
    if math.hypot(spot[0] - x, spot[1] - y) < 1.1 + 1.5 * radius:
        return None
    return spot[0], spot[1], turn
