"""What may stand on a table: solids with random measures, in coordinates of their own, z upwards."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crosswire.training.datasets.rooms.shapes import Ball, Box, Point, Shape
from crosswire.training.datasets.tabletops.shapes import Lathe, Posed, Profile

UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
HERE = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Plan:
    """An object before it has a place.

    Attributes:
        shapes: its solids.
        flat_top: whether something can stand on it.
        poses: ways in which it may lie: `stand`, `lie` (on a side), `over` (upside down), `lean` (on an edge).
        printed: how often it is printed like a package, 0..1.
    """

    shapes: tuple[Shape, ...]
    flat_top: bool = False
    poses: tuple[str, ...] = ("stand",)
    printed: float = 0.1


Maker = Callable[[np.random.Generator], Plan]


def _box(w: float, d: float, h: float) -> Box:
    return Box(HERE, (-w / 2, -d / 2, 0.0), (w / 2, d / 2, h))


def carton(rng: np.random.Generator) -> Plan:
    """A package: of tea up to one of cereals."""
    w, d, h = rng.uniform(0.05, 0.24), rng.uniform(0.03, 0.1), rng.uniform(0.05, 0.3)
    return Plan((_box(w, d, h),), True, ("stand", "stand", "lie", "lean"), 0.75)


def block(rng: np.random.Generator) -> Plan:
    """A box of any proportions."""
    w, d, h = np.exp(rng.uniform(math.log(0.03), math.log(0.2), 3)).tolist()
    return Plan((_box(w, d, h),), True, ("stand", "stand", "lean"), 0.3)


def book(rng: np.random.Generator) -> Plan:
    """A book or a notebook, flat."""
    return Plan((_box(rng.uniform(0.12, 0.26), rng.uniform(0.1, 0.2), rng.uniform(0.006, 0.045)),), True, printed=0.6)


def card(rng: np.random.Generator) -> Plan:
    """Something thin: a card, a phone, a ruler."""
    return Plan((_box(rng.uniform(0.05, 0.2), rng.uniform(0.03, 0.1), rng.uniform(0.002, 0.012)),), True, printed=0.4)


def pen(rng: np.random.Generator) -> Plan:
    """A pen, a screwdriver, a knife: long and thin, lying."""
    length, thick = rng.uniform(0.12, 0.24), rng.uniform(0.006, 0.016)
    if rng.random() < 0.4:
        return Plan((_box(length, thick, thick),))
    grip = rng.uniform(0.3, 0.6) * length
    wide = thick * rng.uniform(1.0, 2.5) / 2
    profile = ((0.0, 0.0), (wide, 0.0), (wide, grip), (thick / 2, grip), (thick / 2, length), (0.0, length))
    return Plan((Lathe(profile),), poses=("lie",))


def can(rng: np.random.Generator) -> Plan:
    """A tin, a can, a roll or a flat round box."""
    radius = rng.uniform(0.025, 0.05) if rng.random() < 0.65 else rng.uniform(0.05, 0.12)
    height = rng.uniform(0.07, 0.25) if radius < 0.05 else rng.uniform(0.03, 0.1)
    poses = ("stand", "stand", "lie") if radius < 0.05 else ("stand",)
    return Plan((Lathe(((0.0, 0.0), (radius, 0.0), (radius, height), (0.0, height))),), True, poses, 0.6)


def bottle(rng: np.random.Generator) -> Plan:
    """A bottle or a jar: body, shoulder, neck, now and then oval."""
    radius, height = rng.uniform(0.025, 0.05), rng.uniform(0.12, 0.32)
    neck, shoulder = radius * rng.uniform(0.25, 0.7), height * rng.uniform(0.5, 0.8)
    end = shoulder + (height - shoulder) * rng.uniform(0.2, 0.7)
    waist = radius * (rng.uniform(0.75, 1.0) if rng.random() < 0.4 else 1.0)
    profile = (
        (0.0, 0.0),
        (0.9 * radius, 0.0),
        (radius, 0.06 * height),
        (waist, 0.5 * shoulder),
        (radius, shoulder),
        ((radius + neck) / 2 * 1.1, (2 * shoulder + end) / 3),
        (neck, end),
        (neck, height),
        (0.0, height),
    )
    shape: Shape = Lathe(profile)
    if rng.random() < 0.3:
        shape = Posed(shape, HERE, UPRIGHT, (1.0, rng.uniform(0.5, 0.9), 1.0))
    return Plan((shape,), poses=("stand", "stand", "stand", "lie"), printed=0.4)


def _vessel(radius: float, foot: float, height: float, bulge: float, wall: float) -> Profile:
    """Outline of an open vessel: a curve from the foot to the rim, and down again inside."""
    ways = (0.0, 0.2, 0.5, 1.0)
    curve = [(foot + (radius - foot) * way**bulge, height * way) for way in ways]
    inside = [(max(r - wall, 0.002), max(z, wall)) for r, z in reversed(curve)]
    return ((0.0, 0.0), *curve, *inside, (0.0, wall))


def bowl(rng: np.random.Generator) -> Plan:
    """A bowl or a deep dish."""
    radius = rng.uniform(0.05, 0.13)
    height, foot = radius * rng.uniform(0.4, 1.0), radius * rng.uniform(0.3, 0.7)
    shape = Lathe(_vessel(radius, foot, height, rng.uniform(0.4, 0.8), rng.uniform(0.003, 0.006)))
    return Plan((shape,), poses=("stand", "stand", "stand", "over"))


def plate(rng: np.random.Generator) -> Plan:
    """A plate or a saucer."""
    radius = rng.uniform(0.07, 0.14)
    shape = Lathe(_vessel(radius, radius * rng.uniform(0.5, 0.75), rng.uniform(0.012, 0.03), 1.0, 0.004))
    return Plan((shape,))


def cup(rng: np.random.Generator) -> Plan:
    """A mug with a handle, or a glass without."""
    radius, height = rng.uniform(0.03, 0.05), rng.uniform(0.06, 0.13)
    shapes: list[Shape] = [Lathe(_vessel(radius, radius * rng.uniform(0.7, 1.0), height, 0.7, 0.004))]
    if rng.random() < 0.6:
        reach, low, high = radius + rng.uniform(0.02, 0.035), 0.2 * height, 0.85 * height
        parts = ((low, low + 0.01, radius * 0.85), (high - 0.01, high, radius * 0.85), (low, high, reach - 0.01))
        shapes += [Box(HERE, (start, -0.005, bottom), (reach, 0.005, top)) for bottom, top, start in parts]
    return Plan(tuple(shapes), poses=("stand", "stand", "over"), printed=0.25)


def pot(rng: np.random.Generator) -> Plan:
    """A pot or a pan with one or two handles, now and then closed."""
    radius, height = rng.uniform(0.07, 0.13), rng.uniform(0.04, 0.12)
    if rng.random() < 0.4:
        lid = height + rng.uniform(0.0, 0.02)
        profile: Profile = ((0.0, 0.0), (radius, 0.0), (radius, height), (0.3 * radius, lid), (0.0, lid))
    else:
        profile = _vessel(radius, 0.9 * radius, height, 0.5, 0.005)
    shapes: list[Shape] = [Lathe(profile)]
    long, wide, top = rng.uniform(0.02, 0.16), rng.uniform(0.01, 0.03), height * rng.uniform(0.7, 1.0)
    sides = (1.0,) if long > 0.05 else (1.0, -1.0)
    for side in sides:
        ends = sorted((side * 0.95 * radius, side * (radius + long)))
        shapes.append(Box(HERE, (ends[0], -wide, top - 0.012), (ends[1], wide, top)))
    return Plan(tuple(shapes), poses=("stand", "stand", "over"))


def fruit(rng: np.random.Generator) -> Plan:
    """A fruit, a ball, a stone: round, longer than wide or flattened."""
    radius = rng.uniform(0.02, 0.05)
    wide, flat = rng.uniform(0.8, 1.6), rng.uniform(0.6, 1.1)
    return Plan((Posed(Ball((0.0, 0.0, radius), radius), HERE, UPRIGHT, (wide, 1.0, flat)),))


def gadget(rng: np.random.Generator) -> Plan:
    """Something of several parts: a toy, a lamp's foot, a tool, a charger."""
    shapes: list[Shape] = []
    for _ in range(rng.integers(2, 5)):
        x, y, z = rng.uniform(-0.04, 0.04, 3).tolist()
        w, d, h = rng.uniform(0.01, 0.06, 3).tolist()
        if rng.random() < 0.6:
            shapes.append(Box((x, y, rng.uniform(0, math.pi)), (-w, -d, max(0.0, z)), (w, d, max(0.0, z) + h)))
        else:
            top = max(0.0, z) + 2 * h
            part = Lathe(((0.0, max(0.0, z)), (w, max(0.0, z)), (w * rng.uniform(0.5, 1), top), (0.0, top)))
            shapes.append(Posed(part, (x, y, 0.0), UPRIGHT))
    return Plan(tuple(shapes), poses=("stand", "stand", "lie"))


MAKERS: tuple[tuple[Maker, float], ...] = (
    (carton, 0.22),
    (block, 0.08),
    (book, 0.08),
    (card, 0.05),
    (pen, 0.06),
    (can, 0.13),
    (bottle, 0.1),
    (bowl, 0.08),
    (plate, 0.04),
    (cup, 0.08),
    (pot, 0.04),
    (fruit, 0.05),
    (gadget, 0.05),
)
"""Kinds of objects and how often each is drawn; the shares add up to about 1."""


def draw_plan(rng: np.random.Generator) -> Plan:
    """Draw an object of any kind."""
    shares = np.asarray([share for _, share in MAKERS])
    maker, _ = MAKERS[int(rng.choice(len(MAKERS), p=shares / shares.sum()))]
    return maker(rng)


def corners_of(shapes: tuple[Shape, ...]) -> list[Point]:
    """Points whose convex hull contains several solids."""
    return [corner for shape in shapes for corner in shape.corners]
