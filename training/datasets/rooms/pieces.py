"""The kinds of furniture: random measures first, solids once the place is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crosswire.training.datasets.rooms.shapes import Ball, Box, Cylinder, Point, Shape


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
