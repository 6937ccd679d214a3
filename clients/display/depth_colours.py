"""Depth made visible: near is warm, far is cold, holes are black."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STOPS: Final = np.array(
    [[255, 244, 214], [253, 190, 92], [232, 103, 72], [160, 52, 112], [82, 38, 130], [32, 34, 92]], dtype=np.float64
)
"""RGB from the nearest reading to the farthest, evenly spaced; lightness falls all the way."""
_PERCENTILES: Final = (1.0, 99.0)
"""Of the readings; below and above them nothing changes, so that a few stray readings do not flatten the rest."""


def colour_depth(metres: NDArray[Any]) -> Image.Image:
    """Return a depth map, [H, W] in metres, as an RGB image of the same size; 0 and anything not finite is a hole."""
    readings = np.isfinite(metres) & (metres > 0)
    colours = np.zeros((*metres.shape, 3), dtype=np.uint8)
    if readings.any():
        values = metres[readings].astype(np.float64)
        near, far = np.percentile(values, _PERCENTILES)
        place = np.clip((values - near) / max(far - near, 1e-6), 0.0, 1.0) * (len(_STOPS) - 1)
        channels = [np.interp(place, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
        colours[readings] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return Image.fromarray(colours)


def shade_depth(values: NDArray[Any]) -> Image.Image:
    """Return a depth image, [H, W] in any unit, as RGB shades of grey: near is light, holes (0) are black."""
    plain = values.astype(np.float32)
    readings = plain[plain > 0]
    near, far = np.percentile(readings, _PERCENTILES) if readings.size else (0.0, 1.0)
    shades = 255 - 200 * np.clip((plain - near) / max(far - near, 1.0), 0, 1)
    return Image.fromarray(np.where(plain > 0, shades, 0).astype(np.uint8)).convert("RGB")
