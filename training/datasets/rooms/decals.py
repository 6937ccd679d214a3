"""Doors, pictures, windows and rugs: drawn on a plane, with no thickness at all."""

import numpy as np
import numpy.typing as npt

from crosswire.training.datasets.rooms.classes import CLASSES
from crosswire.training.datasets.rooms.materials import Colour, lattice_noise, paint, square_wave
from crosswire.training.datasets.rooms.scene import Decal
from crosswire.training.datasets.rooms.shapes import Array

Mask = npt.NDArray[np.bool_]

WHITE: Colour = (0.85, 0.84, 0.8)
BLACK: Colour = (0.06, 0.05, 0.05)
GOLD: Colour = (0.6, 0.45, 0.15)
STEEL: Colour = (0.7, 0.7, 0.72)
SKY: Colour = (0.5, 0.68, 0.92)
GARDEN: Colour = (0.24, 0.38, 0.16)
NIGHT: Colour = (0.05, 0.06, 0.1)


def place(decal: Decal, u: Array, v: Array) -> tuple[Array, Array]:
    """Turn texture coordinates of the plane into the decal's own: metres from its centre."""
    c, s = float(np.cos(decal.turn)), float(np.sin(decal.turn))
    du, dv = u - decal.centre[0], v - decal.centre[1]
    return c * du + s * dv, c * dv - s * du


def covers(decal: Decal, p: Array, q: Array) -> Mask:
    """Tell which points the decal covers; a rug may be an ellipse, everything else is a rectangle."""
    a, b = decal.half_size
    if CLASSES[decal.label] == "rug" and decal.variant < 0.3:
        return np.asarray((p / a) ** 2 + (q / b) ** 2 < 1)
    return np.asarray((np.abs(p) < a) & (np.abs(q) < b))


def paint_decal(
    decal: Decal, p: Array, q: Array, footprint: Array, table: Array, daylight: float
) -> tuple[Array, Array | float]:
    """Draw a decal.

    Args:
        decal: what to draw.
        p: horizontal distance [n] from the decal's centre, metres.
        q: vertical distance [n] from the decal's centre, metres.
        footprint: size of a pixel on the surface [n], metres.
        table: lattice of ``noise_table``.
        daylight: brightness of the sky behind windows, relative to the lamp; 0 at night.

    Returns:
        Albedo [3, n] in 0..1 and the light given off [n], relative to the lamp.
    """
    albedo = paint(decal.material, p, q, footprint, table)
    match CLASSES[decal.label]:
        case "door":
            _door(decal, albedo, p, q)
        case "picture":
            _picture(decal, albedo, p, q, table)
        case "window":
            return albedo, _window(decal, albedo, p, q, daylight)
        case _:
            _rug(decal, albedo, p, q, footprint)
    return albedo, 0.0


def _cover(albedo: Array, where: Mask, colour: Colour, strength: float = 1.0) -> None:
    albedo[:, where] += strength * (np.asarray(colour, np.float32)[:, None] - albedo[:, where])


def _rim(decal: Decal, p: Array, q: Array) -> Array:
    """Distance to the nearest of the four sides, metres."""
    return np.minimum(decal.half_size[0] - np.abs(p), decal.half_size[1] - np.abs(q))


def _door(decal: Decal, albedo: Array, p: Array, q: Array) -> None:
    """Leaf with two to six recessed panels, a frame on three sides and a handle."""
    a, b = decal.half_size
    columns, rows = ((1, 2), (2, 2), (2, 3), (1, 3))[int(decal.variant * 3.99)]
    width, height = 2 * a / columns, 2 * b / rows
    x, y = (p + a) % width, (q + b) % height
    inset = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    _cover(albedo, inset > 0.16, BLACK, 0.25)
    _cover(albedo, (inset > 0.12) & (inset < 0.17), BLACK, 0.75)
    frame = WHITE if decal.variant * 7 % 1 < 0.5 else decal.material.high
    _cover(albedo, (a - np.abs(p) < 0.07) | (b - q < 0.07), frame)
    _cover(albedo, (a - np.abs(p) < 0.09) & (a - np.abs(p) > 0.07), BLACK, 0.8)
    _cover(albedo, (p - 0.75 * a) ** 2 + (q + 0.02) ** 2 < 0.05**2, STEEL)


def _picture(decal: Decal, albedo: Array, p: Array, q: Array, table: Array) -> None:
    """Framed painting: hills under a sky, colour fields or a portrait-like oval, in vivid colours."""
    a, b = decal.half_size
    hue = decal.variant * 50
    vivid: list[Colour] = []
    for step in range(3):
        r, g, bl = (0.45 + 0.4 * float(np.sin(hue + 2.1 * step + 2.1 * channel)) for channel in range(3))
        vivid.append((r, g, bl))
    _cover(albedo, np.ones_like(p, dtype=np.bool_), vivid[0])
    wobble = lattice_noise(table, 3 * p / a + hue, 3 * q / b + hue)
    kind = int(decal.variant * 10) % 3
    if kind == 0:
        _cover(albedo, q / b < wobble - 0.4, vivid[1])
        _cover(albedo, q / b < 0.8 * wobble - 1.0, vivid[2])
    elif kind == 1:
        _cover(albedo, wobble > 0.55, vivid[1])
        _cover(albedo, wobble < 0.3, vivid[2])
    else:
        oval = (p / a) ** 2 + (q / b + 0.2) ** 2
        _cover(albedo, oval < 0.45, vivid[1])
        _cover(albedo, (p / a) ** 2 + (q / b - 0.15) ** 2 < 0.1, vivid[2])
    rim = _rim(decal, p, q)
    _cover(albedo, rim < 0.12, WHITE)
    _cover(albedo, rim < 0.06, (BLACK, GOLD, WHITE, BLACK)[int(decal.variant * 37) % 4])


def _window(decal: Decal, albedo: Array, p: Array, q: Array, daylight: float) -> Array:
    """White frame and bars before sky and garden, or before the night."""
    rim = _rim(decal, p, q)
    bars = (rim < 0.07) | (np.abs(p) < 0.035)
    if decal.variant < 0.6:
        bars |= np.abs(q) < 0.03
    pane = ~bars
    horizon = -0.5 + 0.5 * decal.variant
    below = pane & (q / decal.half_size[1] < horizon)
    _cover(albedo, pane, SKY if daylight > 0 else NIGHT)
    _cover(albedo, below, GARDEN if daylight > 0 else BLACK)
    _cover(albedo, bars, WHITE)
    return np.asarray(daylight * pane, np.float32)


def _rug(decal: Decal, albedo: Array, p: Array, q: Array, footprint: Array) -> None:
    """Bordered rug with rings, diamonds or nested rectangles."""
    x, y = np.abs(p) / decal.half_size[0], np.abs(q) / decal.half_size[1]
    ring = np.sqrt(x * x + y * y) if decal.variant < 0.3 else np.maximum(x, y)
    figure = ring if decal.variant < 0.65 else x + y
    strong = tuple(min(0.9, max(0.04, 2.2 * c - 0.55)) for c in decal.material.high)
    wave = square_wave(2.5 * figure + decal.variant, 3 * footprint + 0.03)
    albedo += wave * (np.asarray(strong, np.float32)[:, None] - albedo)
    _cover(albedo, ring > 0.86, decal.material.low)
    _cover(albedo, (ring > 0.8) & (ring < 0.87), WHITE if decal.variant * 11 % 1 < 0.6 else BLACK)
