"""Holes in depth as sensors leave them on dark, shiny and near things: square blocks without a reading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A block has this share of the shorter side.
BLOCK = 0.1


def with_holes(
    image: NDArray[np.generic], missing: float, share: float, random: np.random.Generator
) -> NDArray[np.generic]:
    """Return an image, [H, W] or [H, W, C], with a share of its square blocks left without a reading.

    Args:
        image: as it is stored; it stays as it is.
        missing: value of "no reading".
        share: of the blocks, 0..1.
        random: chooses them.
    """
    height, width = image.shape[:2]
    side = max(1, round(BLOCK * min(height, width)))
    rows, columns = -(-height // side), -(-width // side)
    chosen = random.permutation(rows * columns).reshape(rows, columns) < round(share * rows * columns)
    holes = chosen.repeat(side, 0).repeat(side, 1)[:height, :width]
    return np.where(holes.reshape(holes.shape + (1,) * (image.ndim - 2)), image.dtype.type(missing), image)
