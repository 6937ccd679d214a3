"""Procedural materials: colours and patterns in surface coordinates, so that perspective is right by construction."""

import math
from dataclasses import dataclass

import numpy as np

from crosswire.training.datasets.rooms.shapes import Array

Colour = tuple[float, float, float]

FAMILIES = ("plain", "marble", "stripes", "planks", "checker", "brick")
LATTICE = 64


@dataclass(frozen=True)
class Material:
    """A two-colour pattern.

    Attributes:
        family: one of ``FAMILIES``.
        low: albedo where the pattern is 0, red, green, blue in 0..1.
        high: albedo where the pattern is 1.
        scale: period of the pattern in metres.
        turn: direction of the pattern in radians.
        gloss: share of the surface that a structured-light sensor cannot read, 0..1.
    """

    family: str
    low: Colour
    high: Colour
    scale: float
    turn: float
    gloss: float


def sample_colour(rng: np.random.Generator, darkest: float = 0.14, brightest: float = 0.85) -> Colour:
    """Draw an albedo: any lightness between the bounds, muted or vivid, more often warm than cold."""
    value = rng.uniform(darkest, brightest)
    strength = 0.5 if rng.random() < 0.35 else 0.18
    hue = rng.uniform(-0.9, 0.4) if rng.random() < 0.6 else rng.uniform(0, 2 * math.pi)
    red, green, blue = (
        min(0.95, max(0.02, value * (1 + strength * math.cos(hue + channel * 2 * math.pi / 3)))) for channel in range(3)
    )
    return red, green, blue


def sample_material(rng: np.random.Generator) -> Material:
    """Draw a material; walls, floors and every kind of furniture share this source."""
    family = FAMILIES[rng.integers(len(FAMILIES))]
    black = rng.random() < 0.06
    low = sample_colour(rng, 0.02, 0.05) if black else sample_colour(rng)
    contrast = rng.uniform(0.55, 0.85) if rng.random() < 0.5 else rng.uniform(1.2, 1.7)
    red, green, blue = (min(0.95, c * contrast * rng.uniform(0.93, 1.07)) for c in low)
    gloss = rng.uniform(0.3, 0.8) if black or rng.random() < 0.1 else rng.uniform(0.0, 0.03)
    turn = (0.0, math.pi / 2, rng.uniform(0, math.pi))[rng.choice(3, p=(0.5, 0.35, 0.15))]
    return Material(family, low, (red, green, blue), rng.uniform(0.15, 0.55), turn, gloss)


def noise_table(seed: int) -> Array:
    """Return the lattice [64, 64] of uniform numbers in 0..1 that all noise textures of a room interpolate."""
    return np.random.default_rng(seed).random((LATTICE, LATTICE), dtype=np.float32)


def lattice_noise(table: Array, x: Array, y: Array) -> Array:
    """Value noise of period 64: smooth interpolation of the table at any point, 0..1."""
    left, below = np.floor(x), np.floor(y)
    fx, fy = x - left, y - below
    fx *= fx * (3 - 2 * fx)
    fy *= fy * (3 - 2 * fy)
    column, row = left.astype(np.int32), below.astype(np.int32)
    c0, c1 = column & (LATTICE - 1), (column + 1) & (LATTICE - 1)
    r0, r1 = (row & (LATTICE - 1)) * LATTICE, ((row + 1) & (LATTICE - 1)) * LATTICE
    flat = table.ravel()
    bottom = flat.take(r0 + c0)
    bottom += fx * (flat.take(r0 + c1) - bottom)
    top = flat.take(r1 + c0)
    top += fx * (flat.take(r1 + c1) - top)
    return np.asarray(bottom + fy * (top - bottom))


def square_wave(x: Array, blur: Array) -> Array:
    """Square wave of period 1 whose flanks are ``blur`` wide (both in periods), 0..1."""
    triangle = np.abs(x - np.floor(x) - 0.5)
    return np.asarray(np.clip(0.5 + (triangle - 0.25) / blur, 0, 1))


def lines(x: Array, width: float, blur: Array) -> Array:
    """Lines of the given width at the whole numbers, 1 on the line."""
    distance = 0.5 - np.abs(x - np.floor(x) - 0.5)
    return np.asarray(np.clip(0.5 + (width / 2 - distance) / blur, 0, 1) * (width / (width + blur)))


def _cells(table: Array, column: Array, row: Array) -> Array:
    """One number in 0..1 per cell of a grid."""
    c, r = column.astype(np.int32) & (LATTICE - 1), row.astype(np.int32) & (LATTICE - 1)
    return table.ravel().take(r * LATTICE + c)


def _pattern(material: Material, x: Array, y: Array, blur: Array, table: Array) -> Array | float:
    """Evaluate the pattern in units of its period, 0..1."""
    match material.family:
        case "marble":
            return 0.65 * lattice_noise(table, 2 * x, 2 * y) + 0.35 * lattice_noise(table, 5 * x + 7, 5 * y)
        case "stripes":
            return square_wave(x, blur)
        case "checker":
            a, b = square_wave(x, blur), square_wave(y, blur)
            return a + b - 2 * a * b
        case "planks":
            row = np.floor(2 * x)
            along = 0.3 * y + 0.37 * row
            tone = _cells(table, np.floor(along), row)
            groove = np.maximum(lines(2 * x, 0.08, 2 * blur), lines(along, 0.02, 0.3 * blur))
            return tone * (1 - groove)
        case "brick":
            row = np.floor(3 * x)
            along = y + 0.5 * row
            tone = 0.6 + 0.4 * _cells(table, np.floor(along), row)
            mortar = np.maximum(lines(3 * x, 0.14, 3 * blur), lines(along, 0.05, blur))
            return tone * (1 - mortar)
        case _:
            return 0.0


def paint(material: Material, u: Array, v: Array, footprint: Array, table: Array) -> Array:
    """Return the albedo of a material.

    Args:
        material: what to paint.
        u: first surface coordinate [n], metres.
        v: second surface coordinate [n], metres.
        footprint: size of a pixel on the surface [n], metres; patterns are blurred to it.
        table: lattice of ``noise_table``.

    Returns:
        Albedo [3, n], 0..1.
    """
    c, s = math.cos(material.turn) / material.scale, math.sin(material.turn) / material.scale
    mix = _pattern(material, c * u + s * v, c * v - s * u, footprint / material.scale + 0.02, table)
    low, high = (np.asarray(colour, np.float32)[:, None] for colour in (material.low, material.high))
    if isinstance(mix, float):
        return np.repeat(low, u.size, axis=1)
    return np.asarray(low + (high - low) * mix * np.ones_like(u), np.float32)
