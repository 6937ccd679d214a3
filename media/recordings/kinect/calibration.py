"""The calibration of an Azure Kinect, as the device stores it: a JSON text that every recording carries.

Focal length and optical axis are stored divided by the size of a whole sensor, with the origin in its corner. A mode of
a camera bins the sensor's pixels and reads a part of them: sizes and places of these parts are those of the Azure
Kinect Sensor SDK 1.4 (`src/transformation/mode_specific_calibration.c`), whose 14 parameters are, in this order, cx,
cy, fx, fy, k1 to k6, codx, cody, p2 and p1 (`include/k4a/k4atypes.h`). What the device calls Brown-Conrady is the
quotient of polynomials that OpenCV calls rational.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import CameraError, Distortion, Lens, RgbdCamera

_DEPTH, _COLOUR = "CALIBRATION_CameraLocationD0", "CALIBRATION_CameraLocationPV0"
_MODEL, _EARLY_MODEL = "CALIBRATION_LensDistortionModelBrownConrady", "CALIBRATION_LensDistortionModelRational6KT"
_DEPTH_SENSOR = (1024, 1024)
_PARAMETERS = 14


@dataclass(frozen=True)
class _Part:
    """The part of a sensor that a mode reads.

    Attributes:
        sensor: width and height of the whole sensor in pixels of the mode.
        corner: where the part begins, column and row.
    """

    sensor: tuple[int, int]
    corner: tuple[int, int] = (0, 0)


#: Modes of the depth camera, and sizes of their images.
DEPTH_SIZES = {
    "NFOV_2X2BINNED": (320, 288),
    "NFOV_UNBINNED": (640, 576),
    "WFOV_2X2BINNED": (512, 512),
    "WFOV_UNBINNED": (1024, 1024),
}
_DEPTH_PARTS = {
    "NFOV_2X2BINNED": _Part((512, 512), (96, 90)),
    "NFOV_UNBINNED": _Part((1024, 1024), (192, 180)),
    "WFOV_2X2BINNED": _Part((512, 512)),
    "WFOV_UNBINNED": _Part((1024, 1024)),
}
_COLOUR_PARTS = {
    (1280, 720): _Part((1280, 960), (0, 120)),
    (1920, 1080): _Part((1920, 1440), (0, 180)),
    (2560, 1440): _Part((2560, 1920), (0, 240)),
    (2048, 1536): _Part((2048, 1536)),
    (3840, 2160): _Part((3840, 2880), (0, 360)),
    (4096, 3072): _Part((4096, 3072)),
}


def read_calibration(text: bytes, depth_mode: str, colour_size: tuple[int, int]) -> RgbdCamera:
    """Return the camera of a device in some mode.

    Args:
        text: the device's calibration, JSON; zero bytes at its end are ignored.
        depth_mode: a key of `DEPTH_SIZES`.
        colour_size: width and height of the colour images.

    Raises:
        CameraError: it is damaged, or of a model or for a mode that is not known here.
    """
    if depth_mode not in _DEPTH_PARTS:
        raise CameraError(f"got the depth mode {depth_mode}, expected one of {', '.join(_DEPTH_PARTS)}")
    if colour_size not in _COLOUR_PARTS:
        sizes = ", ".join(f"{width} x {height}" for width, height in _COLOUR_PARTS)
        raise CameraError(f"got colour of {colour_size[0]} x {colour_size[1]}, expected one of {sizes}")
    try:
        stored = {one["Location"]: one for one in json.loads(text.rstrip(b"\0"))["CalibrationInformation"]["Cameras"]}
        depth, colour = _stored(stored[_DEPTH]), _stored(stored[_COLOUR])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        if isinstance(error, CameraError):
            raise
        raise CameraError(f"got a calibration that is damaged ({error!r}), expected that of an Azure Kinect") from error
    if depth.sensor != _DEPTH_SENSOR:
        raise CameraError(f"got a depth sensor of {depth.sensor}, expected {_DEPTH_SENSOR}")
    rotation = colour.rotation @ depth.rotation.T
    translation = colour.translation - rotation @ depth.translation
    return RgbdCamera(
        _lens(_four_to_three(colour), _COLOUR_PARTS[colour_size], colour_size),
        _lens(depth, _DEPTH_PARTS[depth_mode], DEPTH_SIZES[depth_mode]),
        tuple(rotation.ravel().tolist()),
        tuple(translation.tolist()),
    )


@dataclass(frozen=True, eq=False)
class _Stored:
    """A camera as it is stored.

    Attributes:
        parameters: its 14 numbers.
        sensor: width and height of what they are relative to, pixels.
        rotation: turns a point of the device into the camera, [3, 3].
        translation: is added then, [3], metres.
    """

    parameters: npt.NDArray[np.float64]
    sensor: tuple[int, int]
    rotation: npt.NDArray[np.float64]
    translation: npt.NDArray[np.float64]


def _stored(plain: dict[str, Any]) -> _Stored:
    """Read one camera; what is missing or of another type raises what Python raises."""
    model = plain["Intrinsics"]["ModelType"]
    parameters = np.array(plain["Intrinsics"]["ModelParameters"], np.float64)
    if parameters.shape != (_PARAMETERS,):
        raise CameraError(f"got {parameters.size} parameters of a lens, expected {_PARAMETERS}")
    if model not in (_MODEL, _EARLY_MODEL) or (model == _EARLY_MODEL and parameters[10:].any()):
        raise CameraError(f"got the lens model {model}, expected {_MODEL}")  # others bend in ways no `Lens` has
    place = plain["Rt"]
    return _Stored(
        parameters,
        (int(plain["SensorWidth"]), int(plain["SensorHeight"])),
        np.array(place["Rotation"], np.float64).reshape(3, 3),
        np.array(place["Translation"], np.float64).reshape(3),
    )


def _four_to_three(colour: _Stored) -> _Stored:
    """Return a colour camera relative to the whole sensor, 4:3; early devices store the middle of it, 16:9."""
    width, height = colour.sensor
    if 3 * width == 4 * height:
        return colour
    if 9 * width != 16 * height:
        raise CameraError(f"got a colour sensor of {width} x {height}, expected 4:3 or 16:9")
    whole = width * 3 // 4
    parameters = colour.parameters.copy()
    parameters[1] = (parameters[1] * height + (whole - height) / 2) / whole
    parameters[3] *= height / whole
    return _Stored(parameters, (width, whole), colour.rotation, colour.translation)


def _lens(stored: _Stored, part: _Part, size: tuple[int, int]) -> Lens:
    """Return the lens of a part of a sensor; pixels' centres are whole numbers from here on."""
    cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, _, _, p2, p1 = stored.parameters.tolist()
    width, height = part.sensor
    return Lens(
        *size,
        fx * width,
        fy * height,
        cx * width - part.corner[0] - 0.5,
        cy * height - part.corner[1] - 0.5,
        Distortion.RATIONAL,
        (k1, k2, p1, p2, k3, k4, k5, k6),
    )
