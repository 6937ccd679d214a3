"""A camera that came with a pair of images: depth is moved into the colour camera before a network sees it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.wire_names import CAMERA
from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.cameras.fit import fitted
from crosswire.media.cameras.register import register_depth, registration_of
from crosswire.media.registration import View
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.steps.media.images import ImageError, load_pixels

_LONGEST_REASON = 500
_KEPT_PIXELS = 1 << 20


def read_camera(text: bytes, limits: ImageLimits) -> RgbdCamera:
    """Read the camera of a sample.

    Args:
        text: JSON, as `RgbdCamera.to_json` writes it.
        limits: what is allowed.

    Raises:
        ImageError: it is none, or too large.
    """
    if len(text) > limits.camera_bytes:
        raise ImageError(f"{CAMERA} has {len(text)} bytes; allowed are {limits.camera_bytes}: send two lenses as JSON")
    try:
        return RgbdCamera.from_json(text)
    except CameraError as error:
        raise _refused(error) from None


def camera_of(camera: RgbdCamera, colour: View | None, depth: View | None, limits: ImageLimits) -> RgbdCamera:
    """Return a camera with its lenses at the sizes of the images that came with it, which bounds them.

    Raises:
        ImageError: no colour image came, or the camera is that of other images.
    """
    if colour is None:
        raise ImageError(
            f"{CAMERA} came without rgb_image: there is no colour picture to register depth to; send both, or leave "
            f"{CAMERA} out"
        )
    try:
        return fitted(camera, colour, depth, limits.aspect_tolerance)
    except CameraError as error:
        raise _refused(error) from None


def registered_numbers(
    image: Image.Image, name: str, camera: RgbdCamera, units_per_metre: float
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Decode a depth image in the sender's unit, and move it into the colour camera.

    Args:
        image: from `open_depth`, of the size of the camera's depth lens.
        name: the tensor's name, for messages.
        camera: from `camera_of`.
        units_per_metre: what one metre counts in the image.

    Returns:
        uint16 [H, W] as it is stored, and uint16 [H', W'] of the size of the colour image, 0 where no reading fell.

    Raises:
        ImageError: it is damaged.
    """
    load_pixels(image, name)
    stored = np.asarray(image).astype(np.uint16, copy=False)
    try:
        with np.errstate(all="ignore"):  # numbers of no camera may overflow, and then see nothing
            return stored, register_depth(stored, camera, units_per_metre=units_per_metre)
    except CameraError as error:
        raise _refused(error) from None
    finally:
        if stored.size > _KEPT_PIXELS:  # a few hundred megabytes that are kept for cameras are missing for images
            registration_of.cache_clear()


def _refused(error: CameraError) -> ImageError:
    """Return why a camera is of no use as the error of a request."""
    return ImageError(f"{CAMERA}: {str(error)[:_LONGEST_REASON]}")
