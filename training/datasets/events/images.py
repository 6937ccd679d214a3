"""What is seen: an object that moves before a cluttered wall."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def frames(motion: str, times: Array, size: tuple[int, int], random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture per moment, uint8 [T, H, W, 3].

    Args:
        motion: one of `MOTIONS`, or `none` for black pictures.
        times: seconds, [T].
        size: height and width.
        random: of everything that chance decides.
    """
    if motion == "none":
        return np.zeros((len(times), *size, 3), np.uint8)
    rows, columns = (np.linspace(0, 1, count) for count in size)
    wall = _wall(rows, columns, random)
    colour = random.uniform(0.2, 1.0, 3)
    masks, light = MOTIONS[motion](times, rows[:, None], columns, random)
    lit = wall * light[:, None, None, None]
    shown = lit * (1 - masks[..., None]) + colour * light[:, None, None, None] ** 0.5 * masks[..., None]
    shown += random.normal(0, 0.04, shown.shape)
    pictures: NDArray[np.uint8] = (255 * shown.clip(0, 1)).astype(np.uint8)
    return pictures


def _wall(rows: Array, columns: Array, random: np.random.Generator) -> Array:
    """Return a wall with a slope of light and some still rectangles, [H, W, 3]."""
    low, high = random.uniform(0.05, 0.5, (2, 3))
    wall: Array = low + (high - low) * (rows[:, None, None] + columns[None, :, None]) / 2
    for _ in range(random.integers(1, 4)):
        top, left = random.uniform(0, 0.8, 2)
        inside = (np.abs(rows[:, None] - top) < 0.12) & (np.abs(columns - left) < 0.1)
        wall[inside] = random.uniform(0.1, 0.9, 3)
    return wall


def _thing(y: Array, x: Array, rows: Array, columns: Array, random: np.random.Generator) -> Array:
    """Return masks [T, H, W] of a disc or a box whose centre is at y and x, [T] each."""
    radius = random.uniform(0.09, 0.15)
    down, across = np.abs(rows - y[:, None, None]), 1.3 * np.abs(columns - x[:, None, None])
    distance = np.maximum(down, across) if random.random() < 0.5 else np.hypot(down, across)
    return np.clip((radius - distance) / 0.02, 0, 1)


def _wave(times: Array, random: np.random.Generator) -> Array:
    """Return a triangle wave between 0.15 and 0.85 with a period of 1.1 to 2 seconds."""
    phase = times / random.uniform(1.1, 2.0) + random.random()
    wave: Array = 0.15 + 0.7 * np.abs(2 * (phase % 1) - 1)
    return wave


def _bounce(times: Array, rows: Array, columns: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Move up and down."""
    still = np.full_like(times, random.uniform(0.2, 0.8))
    return _thing(_wave(times, random), still, rows, columns, random), np.ones_like(times)


def _slide(times: Array, rows: Array, columns: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Move from side to side."""
    still = np.full_like(times, random.uniform(0.2, 0.8))
    return _thing(still, _wave(times, random), rows, columns, random), np.ones_like(times)


def _still(times: Array, rows: Array, columns: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Stay."""
    y, x = (np.full_like(times, place) for place in random.uniform(0.2, 0.8, 2))
    return _thing(y, x, rows, columns, random), np.ones_like(times)


def _flash(times: Array, rows: Array, columns: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Stay, while the light goes up and down."""
    masks, _ = _still(times, rows, columns, random)
    phase = times * random.uniform(0.6, 1.4) + random.random()
    return masks, np.where(phase % 1 < 0.5, random.uniform(1.25, 1.6), random.uniform(0.4, 0.7))


def _spin(times: Array, rows: Array, columns: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Turn a bar."""
    angle = 2 * np.pi * (times * random.uniform(0.2, 0.45) * random.choice((-1, 1)) + random.random())
    y, x = rows - random.uniform(0.35, 0.65), 1.3 * (columns - random.uniform(0.35, 0.65))
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along, across = np.abs(cosine * x + sine * y), np.abs(cosine * y - sine * x)
    masks = np.clip((0.3 - along) / 0.02, 0, 1) * np.clip((0.06 - across) / 0.02, 0, 1)
    return masks, np.ones_like(times)


Motion = Callable[[Array, Array, Array, np.random.Generator], tuple[Array, Array]]
#: By name: masks of the object [T, H, W] and the light of every moment [T].
MOTIONS: dict[str, Motion] = {"bounce": _bounce, "slide": _slide, "still": _still, "flash": _flash, "spin": _spin}
