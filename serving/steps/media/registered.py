"""Images of one view that belong together pixel by pixel: depth in metres, and whether two sizes fit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.wire_names import DEPTH_IMAGE, RGB_IMAGE
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.steps.media.images import DEPTH_MODES, ImageError, describe, load_pixels, nearest, open_image


def open_depth(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    """Open a depth image and check its header; nothing is decoded yet.

    Raises:
        ImageError: empty, too large, or no 16-bit greyscale PNG file.
    """
    image = open_image(data, name, limits, ("PNG",))
    if image.mode not in DEPTH_MODES:
        raise ImageError(f"{name} is {describe(image)}; send a 16-bit greyscale PNG file")
    return image


def metres_of(
    image: Image.Image, name: str, units_per_metre: float, size: tuple[int, int], missing: float | None
) -> npt.NDArray[np.float32]:
    """Decode a depth image in the sender's unit.

    Args:
        image: from `open_depth`; 0 is no reading.
        name: the tensor's name, for messages.
        units_per_metre: value of the image at one metre, for example 1000 for millimetres.
        size: height and width to resize to, by nearest neighbour: holes stay holes.
        missing: what the network takes for "no reading"; None if every value is one.

    Returns:
        float32 [H, W] in metres.

    Raises:
        ImageError: it is damaged.
    """
    load_pixels(image, name)
    readings = nearest(np.asarray(image), *size)
    metres = readings.astype(np.float32) / np.float32(units_per_metre)
    if missing:  # neither None nor 0, which a hole is already
        metres[readings == 0] = missing
    return metres


def check_units(units_per_metre: float, limits: ImageLimits) -> None:
    """Raise `ImageError` unless a scale of depth images makes sense."""
    smallest, largest = limits.units_per_metre
    if not (math.isfinite(units_per_metre) and smallest <= units_per_metre <= largest):
        raise ImageError(
            f"depth_units_per_metre is {units_per_metre:g}; allowed are {smallest:g} to {largest:g} "
            "(1000 for millimetres, 1 for whole metres)"
        )


def check_registered(
    first: tuple[int, int],
    second: tuple[int, int],
    tolerance: float,
    names: tuple[str, str] = (RGB_IMAGE, DEPTH_IMAGE),
) -> None:
    """Raise `ImageError` unless two sizes (width, height) have one aspect ratio, up to rounding to whole pixels.

    Args:
        first: of the image that the other one must fit.
        second: of the other one.
        tolerance: how far the ratios may differ, relative.
        names: of both, for the message.
    """
    ratio = (first[0] * second[1]) / (first[1] * second[0])
    rounding = 0.5 / min(second) + 0.5 / min(first) if first != second else 0.0
    if abs(math.log(ratio)) > max(tolerance, rounding):
        raise ImageError(
            f"{names[1]} is {second[0]} x {second[1]} but {names[0]} is {first[0]} x {first[1]}: another aspect ratio. "
            f"{names[1]} must be registered to {names[0]}: same view, same aspect ratio (within {tolerance:.0%}), any "
            "scale"
        )
