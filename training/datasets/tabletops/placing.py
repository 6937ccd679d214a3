"""Puts objects on a table: apart, touching, on top of one another, lying, leaning."""

import math
from dataclasses import dataclass

import numpy as np

from crosswire.training.datasets.rooms.shapes import Point, Shape
from crosswire.training.datasets.tabletops.objects import Plan, corners_of, draw_plan
from crosswire.training.datasets.tabletops.scene import TableTop
from crosswire.training.datasets.tabletops.shapes import Axes, Posed

ATTEMPTS = 6
STACKED, TOUCHING = 0.15, 0.35
"""How often an object is put on another one, and beside one."""


@dataclass(frozen=True)
class Placed:
    """An object in its place.

    Attributes:
        plan: what it is.
        shapes: its solids in world axes.
        middle: x and y of its footprint, metres.
        radius: of the circle around its footprint, metres.
        narrow: half the shorter side of its footprint, metres.
        top: height of its highest point, metres.
    """

    plan: Plan
    shapes: tuple[Shape, ...]
    middle: tuple[float, float]
    radius: float
    narrow: float
    top: float


def height_at(top: TableTop, x: float, y: float) -> float:
    """Height of the table's top above the floor at a point, metres."""
    waves = (w.height * math.sin(w.along[0] * x + w.along[1] * y + w.phase) for w in top.waves)
    return top.height + sum(waves)


def lay_out(
    rng: np.random.Generator, top: TableTop, focus: tuple[float, float], spread: float, count: int
) -> list[Placed]:
    """Place objects around a point of the table.

    Args:
        rng: source of the objects.
        top: the table.
        focus: x and y around which they stand, world axes, metres.
        spread: standard deviation of their distance from it, metres.
        count: how many are tried; one that finds no place is left out.
    """
    placed: list[Placed] = []
    for _ in range(count):
        plan = draw_plan(rng)
        pose = plan.poses[rng.integers(len(plan.poses))]
        axes = _axes(rng, pose)
        for _ in range(ATTEMPTS):
            found = _try(rng, top, focus, spread, plan, axes, placed)
            if found is not None:
                placed.append(found)
                break
    return placed


def _axes(rng: np.random.Generator, pose: str) -> Axes:
    """Draw the directions of an object's own axes."""
    turn = rng.uniform(0, 2 * math.pi)
    c, s = math.cos(turn), math.sin(turn)
    tilt = {"stand": 0.0, "over": math.pi, "lie": math.pi / 2}.get(pose, rng.uniform(0.2, 1.2))
    if rng.random() < 0.5:
        a, b = math.cos(tilt), math.sin(tilt)
        return (c, s, 0.0), (-s * a, c * a, b), (s * b, -c * b, a)
    a, b = math.cos(tilt), math.sin(tilt)
    return (c * a, s * a, -b), (-s, c, 0.0), (c * b, s * b, a)


def _try(
    rng: np.random.Generator,
    top: TableTop,
    focus: tuple[float, float],
    spread: float,
    plan: Plan,
    axes: Axes,
    placed: list[Placed],
) -> Placed | None:
    """Draw a place for an object; None if there is no room or no table."""
    own = np.asarray(corners_of(plan.shapes)) @ np.asarray(axes)
    low, high = own.min(axis=0), own.max(axis=0)
    radius, narrow = float(np.hypot(*(high - low)[:2])) / 2, float((high - low)[:2].min()) / 2
    base: float | None = None
    draw = rng.random()
    carriers = [other for other in placed if other.plan.flat_top and other.narrow > 0.5 * narrow]
    if carriers and draw < STACKED:
        carrier = carriers[rng.integers(len(carriers))]
        x, y = (c + rng.uniform(-0.3, 0.3) * carrier.narrow for c in carrier.middle)
        base = carrier.top
    elif placed and draw < STACKED + TOUCHING:
        beside = placed[rng.integers(len(placed))]
        way, gap = rng.uniform(0, 2 * math.pi), rng.uniform(0.75, 1.05) * (beside.narrow + narrow)
        x, y = beside.middle[0] + gap * math.cos(way), beside.middle[1] + gap * math.sin(way)
    else:
        x, y = (c + spread * rng.standard_normal() for c in focus)
        if any(math.hypot(x - o.middle[0], y - o.middle[1]) < 0.8 * (radius + o.radius) for o in placed):
            return None
    if not on_table(top, (x, y), 0.6 * narrow):
        return None
    if base is None:
        base = height_at(top, x, y)
    middle = (low + high) / 2
    origin = (x - float(middle[0]), y - float(middle[1]), base - float(low[2]))
    shapes = tuple(Posed(shape, origin, axes) for shape in plan.shapes)
    return Placed(plan, shapes, (x, y), radius, narrow, base + float(high[2] - low[2]))


def in_frame(frame: Point, x: float, y: float) -> tuple[float, float]:
    """Coordinates of a point in a frame that is moved and turned."""
    c, s = math.cos(frame[2]), math.sin(frame[2])
    rx, ry = x - frame[0], y - frame[1]
    return c * rx + s * ry, c * ry - s * rx


def on_table(top: TableTop, spot: tuple[float, float], margin: float) -> bool:
    """Whether a point lies on the table, at least a margin from its sides."""
    a, b = in_frame(top.frame, *spot)
    return abs(a) < top.half_size[0] - margin and abs(b) < top.half_size[1] - margin
