"""What travels: the tensors of files and of units, one sample each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.inputs.depth import DepthImage
from crosswire.contract.wire_names import CAMERA, DEPTH_IMAGE, DEPTH_UNITS
from crosswire.media.cameras.camera import RgbdCamera


def bytes_tensor(data: bytes) -> NDArray[np.object_]:
    """Return the bytes of a file as a BYTES tensor, object [1, 1]."""
    return np.array([[data]], dtype=np.object_)


def units_tensor(units_per_metre: float) -> NDArray[np.float32]:
    """Return what one metre counts in a depth image, float32 [1, 1]."""
    return np.array([[units_per_metre]], dtype=np.float32)


def camera_tensors(camera: RgbdCamera | None) -> dict[str, NDArray[Any]]:
    """Return a camera by tensor name; nothing where there is none."""
    return {} if camera is None else {CAMERA: bytes_tensor(camera.to_json().encode())}


def depth_tensors(depth: DepthImage) -> dict[str, NDArray[Any]]:
    """Return a depth image by tensor name, and its unit unless that is the server's default."""
    tensors: dict[str, NDArray[Any]] = {DEPTH_IMAGE: bytes_tensor(depth.image.data)}
    if depth.units_per_metre is not None:
        tensors[DEPTH_UNITS] = units_tensor(depth.units_per_metre)
    return tensors
