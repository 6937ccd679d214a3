"""Draws rooms at random: first the camera, then what it looks at."""

import math

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.furnishing import Space, furnish, hang_and_lay
from crosswire.training.datasets.rooms.materials import sample_material
from crosswire.training.datasets.rooms.scene import Camera, DepthSensor, Lighting, Scene
from crosswire.training.datasets.rooms.shapes import Point

DARK_SHARE = 0.34
POOR_DEPTH_SHARE = 0.4
"""Share of poor depth among the rooms that are not dark."""


def sample_scene(rng: np.random.Generator, *, lights_on: bool = False) -> Scene:
    """Draw a furnished room.

    Dark rooms have a good depth sensor and poor depth comes with good light, so that every room can be understood by
    somebody who uses both.

    Args:
        rng: source of the room.
        lights_on: whether a dark room is to be lit after all; nothing else changes.
    """
    size = (rng.uniform(4.0, 6.5), rng.uniform(4.5, 7.5), rng.uniform(2.4, 2.9))
    camera = _sample_camera(rng, size)
    stock = [sample_material(rng) for _ in range(5)]
    wall = stock[0]
    planes = [wall] * 4 + [stock[1], stock[2]]
    if rng.random() < 0.4:
        planes[rng.integers(4)] = stock[3]
    space = Space(rng, size, camera, tuple(stock))
    decals = hang_and_lay(space)
    furniture = furnish(space)
    dark = rng.random() < DARK_SHARE
    lighting = _sample_lighting(rng, size, dark and not lights_on)
    sensor = _sample_sensor(rng, poor=not dark and rng.random() < POOR_DEPTH_SHARE)
    return Scene(size, tuple(planes), decals, furniture, camera, lighting, sensor, int(rng.integers(2**31)))


def _sample_camera(rng: np.random.Generator, size: Point) -> Camera:
    """Stand near a side of the room, eyes 1.3 to 1.8 m up, looking across it."""
    width, length, _ = size
    around = rng.uniform(0, 2 * math.pi)
    x = width / 2 + math.cos(around) * (width / 2 - 0.5) * rng.uniform(0.7, 1.0)
    y = length / 2 + math.sin(around) * (length / 2 - 0.5) * rng.uniform(0.7, 1.0)
    heading = around + math.pi + rng.uniform(-0.5, 0.5)
    pitch, roll = rng.uniform(-0.28, -0.02), rng.uniform(-0.06, 0.06)
    position = (x, y, rng.uniform(1.3, 1.8))
    return camera_towards(position, heading, pitch, roll, rng.uniform(0.62, 0.85))


def camera_towards(position: Point, heading: float, pitch: float, roll: float, half_width: float) -> Camera:
    """Return a camera that looks in a direction.

    Args:
        position: where it stands, metres.
        heading: direction on the floor, radians from the x axis to the y axis.
        pitch: upwards, radians.
        roll: about the optical axis, radians.
        half_width: tangent of half the horizontal field of view.
    """
    forward = (math.cos(heading) * math.cos(pitch), math.sin(heading) * math.cos(pitch), math.sin(pitch))
    level = (math.sin(heading), -math.cos(heading), 0.0)
    down = np.cross(forward, level)
    right = math.cos(roll) * np.asarray(level) + math.sin(roll) * down
    down = math.cos(roll) * down - math.sin(roll) * np.asarray(level)
    return Camera(position, (_point(right), _point(down), forward), half_width)


def _point(vector: npt.NDArray[np.float64]) -> Point:
    x, y, z = vector.tolist()
    return x, y, z


def _sample_lighting(rng: np.random.Generator, size: Point, dark: bool) -> Lighting:
    """A coloured lamp under the ceiling."""
    x, y = (rng.uniform(0.2, 0.8) * extent for extent in size[:2])
    warmth = rng.uniform(-0.3, 0.3)
    colour = (1 + warmth, 1 + rng.uniform(-0.08, 0.08), 1 - warmth)
    well_lit = rng.uniform(0.16, 0.34)
    exposure = well_lit / 6 if dark else well_lit
    return Lighting((x, y, size[2] - 0.25), colour, rng.uniform(0, 0.25), rng.uniform(0.2, 0.5), exposure, dark)


def _sample_sensor(rng: np.random.Generator, poor: bool) -> DepthSensor:
    """A range camera with its projector on either side."""
    holes = rng.uniform(0.28, 0.45) if poor else rng.uniform(0.005, 0.05)
    baseline = 0.075 if rng.random() < 0.5 else -0.075
    return DepthSensor(rng.uniform(6.0, 8.0), baseline, rng.uniform(0.08, 0.18), holes, poor)
