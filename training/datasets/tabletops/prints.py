"""Prints on packages: areas, lines as of text, and a band, in a few colours."""

import numpy as np

from crosswire.training.datasets.rooms.materials import LATTICE, Colour, lattice_noise
from crosswire.training.datasets.rooms.shapes import Array


def paint_print(albedo: Array, inks: tuple[Colour, ...], u: Array, v: Array, table: Array, seed: float) -> None:
    """Print over a surface.

    Args:
        albedo: [3, n] in 0..1, changed in place.
        inks: three colours: of the areas, of the lines, of the band.
        u: first surface coordinate [n], metres.
        v: second surface coordinate [n], metres.
        table: lattice of ``noise_table``.
        seed: place in the noise, so that every print is another one.
    """
    areas = lattice_noise(table, 16 * u + seed, 16 * v + 3 * seed)
    small = lattice_noise(table, 50 * u + 2 * seed, 50 * v + seed)
    row = np.floor(v * (70 + 60 * (seed % 1)) + seed).astype(np.int32)
    cell = np.floor(u * 180 + 7 * row).astype(np.int32)
    letters = table.ravel().take((row & (LATTICE - 1)) * LATTICE + (cell & (LATTICE - 1)))
    lines = (row % 2 == 0) & (letters > 0.35) & (small > 0.45)
    band = np.abs(v - 0.05 - 0.1 * (seed * 7 % 1)) < 0.012 + 0.02 * (seed * 3 % 1)
    for where, ink in ((areas > 0.55, inks[0]), (lines, inks[1]), (band, inks[2])):
        albedo[:, where] = np.asarray(ink, np.float32)[:, None]
