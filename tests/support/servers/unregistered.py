"""A room seen by a depth camera that stands beside its colour camera, as a wide lens with another picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera

COLOUR_SIZE = (640, 360)
COLOUR = Lens(*COLOUR_SIZE, 480.0, 479.5, 320.2, 180.4, Distortion.BROWN_CONRADY, (0.08, -0.12, 0.0004, -0.0003, 0.04))
DEPTH = Lens(640, 576, 504.2, 504.3, 320.5, 331.1)
_TILT = np.deg2rad(6.0)
CAMERA = RgbdCamera(
    COLOUR,
    DEPTH,
    (1, 0, 0, 0, float(np.cos(_TILT)), -float(np.sin(_TILT)), 0, float(np.sin(_TILT)), float(np.cos(_TILT))),
    (-0.032, -0.002, 0.004),
)


def unregistered(units_per_metre: float = 1000.0) -> NDArray[np.uint16]:
    """Return the depth camera's picture, uint16 [576, 640]: a wall 4 m away, a floor, a box before them, and holes."""
    rows, columns = np.indices((DEPTH.height, DEPTH.width))
    down = (rows - DEPTH.cy) / DEPTH.fy
    metres = np.full(rows.shape, 4.0)
    metres = np.where(down > 0.02, np.minimum(metres, 1.2 / np.maximum(down, 0.02)), metres)
    metres[200:420, 240:430] = 1.5
    metres[(rows // 3 + columns // 5) % 41 == 0] = 0
    return np.rint(metres * units_per_metre).astype(np.uint16)


def depth_file(stored: NDArray[np.uint16]) -> bytes:
    """Return stored depth as a 16-bit PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(file, "PNG")
    return file.getvalue()
