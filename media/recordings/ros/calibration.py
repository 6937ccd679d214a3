"""`CameraInfo` as a lens (REP 104; regions and binning as in ROS' image_geometry)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crosswire.media.cameras.camera import CameraError, Distortion, Lens

#: What ROS and librealsense call the models, in lower case.
MODELS: Mapping[str, Distortion] = {
    "plumb_bob": Distortion.BROWN_CONRADY,
    "rational_polynomial": Distortion.RATIONAL,
    "equidistant": Distortion.KANNALA_BRANDT,
    "fisheye": Distortion.KANNALA_BRANDT,
    "none": Distortion.NONE,
    "": Distortion.NONE,
}


def values(info: Any, name: str) -> tuple[float, ...]:
    """Return a list of numbers of a `CameraInfo`: ROS 1 calls them D, K, R and P, ROS 2 d, k, r and p."""
    found = getattr(info, name.upper(), None)
    return tuple(float(one) for one in (getattr(info, name.lower()) if found is None else found))


def lens_of(
    info: Any, size: tuple[int, int] | None, rectified: bool, models: Mapping[str, Distortion] = MODELS
) -> Lens:
    """Return the lens that a `CameraInfo` describes.

    Args:
        info: the message, decoded.
        size: width and height of the images; None where unknown.
        rectified: whether the images are undistorted: P describes these, K and D the raw ones.
        models: of distortion, by their name in lower case.

    Raises:
        CameraError: it is not calibrated, has another size than the images, or an unknown distortion.
    """
    matrix, projection = values(info, "k"), values(info, "p")
    pinhole = Lens(1, 1, *_focal(matrix, 3)) if any(matrix) else None
    ideal = Lens(1, 1, *_focal(projection, 4)) if any(projection) else None
    bent = _distortion(info, models)
    base = ideal if rectified and ideal is not None else pinhole
    if base is None:
        raise CameraError("got a CameraInfo without focal length, expected a calibrated camera")
    if not rectified:
        base = replace(base, distortion=bent[0], coefficients=bent[1])
    window = info.roi
    across, down = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    seen = (int(window.width) or int(info.width)) // across, (int(window.height) or int(info.height)) // down
    lens = replace(
        base,
        width=max(1, seen[0]),
        height=max(1, seen[1]),
        fx=base.fx / across,
        fy=base.fy / down,
        cx=(base.cx - int(window.x_offset)) / across,
        cy=(base.cy - int(window.y_offset)) / down,
    )
    if size is None or size == lens.size:
        return lens
    if min(seen) < 1:
        return replace(lens, width=size[0], height=size[1])
    if abs(size[0] * lens.height - size[1] * lens.width) <= max(size):
        return lens.scaled(*size)
    raise CameraError(f"got images of {size[0]} x {size[1]}, expected {lens.width} x {lens.height} as CameraInfo says")


def _focal(matrix: Sequence[float], columns: int) -> tuple[float, float, float, float]:
    """Return fx, fy, cx and cy of a matrix."""
    return matrix[0], matrix[columns + 1], matrix[2], matrix[columns + 2]


def _distortion(info: Any, models: Mapping[str, Distortion]) -> tuple[Distortion, tuple[float, ...]]:
    """Return model and coefficients; zeros are no distortion."""
    coefficients, name = values(info, "d"), str(info.distortion_model).strip().lower()
    if not any(coefficients):
        return Distortion.NONE, ()
    if name == "" and len(coefficients) in (4, 5):
        name = "plumb_bob"
    if name not in models or models[name] is Distortion.NONE:
        known = ", ".join(one for one in models if one)
        raise CameraError(f"got distortion {name!r} with {len(coefficients)} coefficients, expected one of {known}")
    return models[name], coefficients
