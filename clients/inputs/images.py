"""From whatever the user has to the encoded images that travel.

Files and bytes are sent as they are; their header is read here, so that a wrong file is named before anything is sent.
Pillow images and arrays are encoded as PNG, which loses nothing.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError
from crosswire.contract.wire_names import ASPECT_TOLERANCE, DEPTH, RGB
from crosswire.media.describe import describe_image
from crosswire.media.orientation import UPRIGHT, orientation_of, upright, upright_size
from crosswire.media.registration import View, registration_problem

Source: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]
"""A path, the bytes of a file, a Pillow image or an array."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
_FORMATS = ("JPEG", "PNG")
_READ_FORMATS = (*_FORMATS, "TIFF", "WEBP")
_REMEDY = "send a JPEG or PNG file of 8 bits per channel"
_COLOUR_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image.

    Attributes:
        data: the bytes of a JPEG or PNG file.
        width: pixels per row, as it is meant to be seen.
        height: rows, as it is meant to be seen.
        orientation: EXIF orientation in the file, which the server turns it by; 1 is none.
    """

    data: bytes
    width: int
    height: int
    orientation: int = UPRIGHT

    def __str__(self) -> str:
        """Return the size as people write it."""
        return f"{self.width} x {self.height}"


@dataclass(frozen=True)
class Header:
    """What the header of an encoded image says.

    Attributes:
        image: the image with its size.
        format: Pillow's name of the format: `"JPEG"`, `"PNG"`, ...
        mode: Pillow's name of the pixel format: `"RGB"`, `"I;16"`, ...
        described: what kind of image it is, in words.
    """

    image: EncodedImage
    format: str
    mode: str
    described: str


def colour_image(source: Source) -> EncodedImage:
    """Return the colour image to send; labels come back as its EXIF orientation says that it is seen.

    Args:
        source: path or bytes of a JPEG, PNG, TIFF or WebP; a Pillow image; or an array, uint8 [H, W, 3], RGB. An image
            that Pillow opened from a file is turned by its EXIF orientation, one made in memory is as it is.

    Raises:
        InputError: it is none of these, or cannot be read.
    """
    if isinstance(source, Image.Image):
        if source.mode not in _COLOUR_MODES:
            raise InputError(f"rgb: a Pillow image of mode {source.mode} is no colour image; convert it to mode RGB")
        return encode_png(upright(source.convert("RGB"), orientation_of(source)))
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or source.size == 0:
            raise InputError(f"rgb: came {describe_array(source)}; send uint8 [height, width, 3] in the order RGB")
        return encode_png(Image.fromarray(np.ascontiguousarray(source)))
    data, label = read_source(source, RGB)
    header = read_header(data, label, _REMEDY, _READ_FORMATS)
    if header.mode not in _COLOUR_MODES:
        raise InputError(f"{label} is {header.described}, no colour image; {_REMEDY}")
    return header.image if header.format in _FORMATS else _as_png(data, label)


def _as_png(data: bytes, label: str) -> EncodedImage:
    """Return an image of a format that does not travel as PNG, turned as its EXIF orientation says."""
    try:
        with Image.open(io.BytesIO(data), formats=_READ_FORMATS) as image:
            return encode_png(upright(image.convert("RGB"), orientation_of(image)))
    except (OSError, SyntaxError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{label} cannot be decoded ({error}); {_REMEDY}") from error


def check_registered(rgb: EncodedImage, depth: EncodedImage) -> None:
    """Refuse a depth image that cannot lie on its colour image.

    Raises:
        InputError: the aspect ratios differ by more than `ASPECT_TOLERANCE` and rounding to whole pixels explain.
    """
    first, second = (View(name, (one.width, one.height), one.orientation) for name, one in ((RGB, rgb), (DEPTH, depth)))
    if problem := registration_problem(first, second, ASPECT_TOLERANCE):
        raise InputError(problem)


def read_source(source: object, what: str) -> tuple[bytes, str]:
    """Return the bytes of a path or of bytes, and how to call them in an error.

    Raises:
        InputError: the file cannot be read, or the source is of a kind that cannot be sent.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), f"{what}: the image"
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"{what}: came {type(source).__name__}; allowed are a path, bytes, a Pillow image or a numpy array"
        )
    try:
        return Path(source).read_bytes(), f"{what}: {os.fspath(source)}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{what}: {os.fspath(source)} cannot be read ({reason}); check the path") from error


def read_header(data: bytes, label: str, remedy: str, formats: tuple[str, ...] = _FORMATS) -> Header:
    """Read the header of an encoded image; the pixels are not decoded.

    Args:
        data: the bytes of a file.
        label: how to call it in an error.
        remedy: what to send instead.
        formats: Pillow's names of the formats that are tried.

    Raises:
        InputError: the bytes are of none of these formats, or claim more pixels than Pillow thinks safe.
    """
    if not data:
        raise InputError(f"{label} is empty; {remedy}")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            orientation = orientation_of(image)
            width, height = upright_size(image.size, orientation)
            return Header(
                EncodedImage(data, width, height, orientation), str(image.format), image.mode, describe_image(image)
            )
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{label} has too many pixels ({error}); send a smaller image") from error
    except (OSError, SyntaxError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{label} is neither JPEG nor PNG; {remedy}") from error


def encode_png(image: Image.Image) -> EncodedImage:
    """Return a Pillow image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return EncodedImage(buffer.getvalue(), image.width, image.height)


def describe_array(array: NDArray[Any]) -> str:
    """Return dtype and shape of an array as errors show them."""
    return f"{array.dtype} {list(array.shape)}"
