"""Images of one view that belong together pixel by pixel: depth in metres, and whether two sizes fit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.media.depth import outside
from crosswire.media.describe import describe_image
from crosswire.media.orientation import orientation_of, upright_array
from crosswire.media.registration import View, registration_problem
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.steps.media.images import DEPTH_MODES, ImageError, load_pixels, nearest, open_image


def open_depth(data: bytes, name: str, limits: ImageLimits) -> Image.Image:
    """Open a depth image and check its header; nothing is decoded yet.

    Raises:
        ImageError: empty, too large, or no 16-bit greyscale PNG file.
    """
    image = open_image(data, name, limits, ("PNG",))
    if image.mode not in DEPTH_MODES:
        raise ImageError(f"{name} is {describe_image(image)}; send a 16-bit greyscale PNG file")
    return image


def depth_numbers(image: Image.Image, name: str, size: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Decode a depth image in the sender's unit.

    Args:
        image: from `open_depth`.
        name: the tensor's name, for messages.
        size: height and width to resize to, by nearest neighbour: holes stay holes.

    Returns:
        uint16 [H, W], turned as its EXIF orientation says.

    Raises:
        ImageError: it is damaged.
    """
    orientation = orientation_of(image)
    load_pixels(image, name)
    return nearest(upright_array(np.asarray(image), orientation), *size).astype(np.uint16, copy=False)


def network_metres(
    metres: npt.NDArray[np.float32], trained: tuple[float, float] | None, missing: float | None
) -> npt.NDArray[np.float32]:
    """Return depth as a network takes it, float32 [H, W] in metres.

    Args:
        metres: from `crosswire.media.depth.to_metres`, 0 where there is no reading; changed in place.
        trained: metres that the network was trained with; None if the contract does not say.
        missing: what the network takes for "no reading"; None stands for 0.
    """
    if trained is not None and (trained[0] > 0 or metres.max() > trained[1]):
        metres[outside(metres, trained)] = 0
    if missing:  # neither None nor 0, which a hole is already
        metres[metres == 0] = missing
    return metres


def check_units(units_per_metre: float, limits: ImageLimits) -> None:
    """Raise `ImageError` unless a scale of depth images makes sense."""
    smallest, largest = limits.units_per_metre
    if not (math.isfinite(units_per_metre) and smallest <= units_per_metre <= largest):
        raise ImageError(
            f"depth_units_per_metre is {units_per_metre:g}; allowed are {smallest:g} to {largest:g} "
            "(1000 for millimetres, 1 for whole metres)"
        )


def check_registered(first: View, second: View, tolerance: float) -> None:
    """Raise `ImageError` unless two images have one aspect ratio, see `registration_problem`."""
    if problem := registration_problem(first, second, tolerance):
        raise ImageError(problem)
