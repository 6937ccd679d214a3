"""From whatever the user has to the encoded images that travel.

Files and bytes are sent as they are; their header is read here, so that a wrong file is named before anything is sent.
Pillow images and arrays are encoded as PNG, which loses nothing.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError
from crosswire.contract.wire_names import RGB

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]"
"""A path, the bytes of a file, a Pillow image or an array."""

ASPECT_TOLERANCE = 0.01
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
_FORMATS = ("JPEG", "PNG")
_REMEDY = "send a JPEG or PNG file of 8 bits per channel"
_COLOUR_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image.

    Attributes:
        data: the bytes of a JPEG or PNG file.
        width: pixels per row.
        height: rows.
    """

    data: bytes
    width: int
    height: int

    def __str__(self) -> str:
        """Return the size as people write it."""
        return f"{self.width} x {self.height}"


@dataclass(frozen=True)
class Header:
    """What the header of an encoded image says.

    Attributes:
        image: the image with its size.
        format: `"JPEG"` or `"PNG"`.
        mode: Pillow's name of the pixel format: `"RGB"`, `"I;16"`, ...
    """

    image: EncodedImage
    format: str
    mode: str


def colour_image(source: Source) -> EncodedImage:
    """Return the colour image to send; an EXIF orientation in it turns nothing, because depth has none to match.

    Args:
        source: path or bytes of a JPEG or PNG; a Pillow image; or an array, uint8 [H, W, 3], RGB.

    Raises:
        InputError: it is none of these, or cannot be read.
    """
    if isinstance(source, Image.Image):
        if source.mode not in _COLOUR_MODES:
            raise InputError(f"rgb: a Pillow image of mode {source.mode} is no colour image; convert it to mode RGB")
        return encode_png(source.convert("RGB"))
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or source.size == 0:
            raise InputError(f"rgb: came {describe_array(source)}; send uint8 [height, width, 3] in the order RGB")
        return encode_png(Image.fromarray(np.ascontiguousarray(source)))
    data, label = read_source(source, RGB)
    header = read_header(data, label, _REMEDY)
    if header.mode not in _COLOUR_MODES:
        raise InputError(f"{label} is a {header.format} of mode {header.mode}, no colour image; {_REMEDY}")
    return header.image


def check_registered(rgb: EncodedImage, depth: EncodedImage) -> None:
    """Refuse a depth image that cannot lie on its colour image.

    Raises:
        InputError: the aspect ratios differ by more than `ASPECT_TOLERANCE` and rounding to whole pixels explain.
    """
    rounding = 0.5 / min(rgb.width, rgb.height) + 0.5 / min(depth.width, depth.height)
    ratio = (rgb.width * depth.height) / (rgb.height * depth.width)
    if abs(math.log(ratio)) > max(ASPECT_TOLERANCE, rounding):
        raise InputError(
            f"depth of {depth} has another aspect ratio than rgb of {rgb}; depth must be registered to the colour "
            "image: send both at the same size, or depth scaled evenly"
        )


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


def read_header(data: bytes, label: str, remedy: str) -> Header:
    """Read the header of an encoded image; the pixels are not decoded.

    Args:
        data: the bytes of a file.
        label: how to call it in an error.
        remedy: what to send instead.

    Raises:
        InputError: the bytes are no JPEG and no PNG, or claim more pixels than Pillow thinks safe.
    """
    if not data:
        raise InputError(f"{label} is empty; {remedy}")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return Header(EncodedImage(data, image.width, image.height), str(image.format), image.mode)
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
