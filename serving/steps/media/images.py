"""Opening, resizing and writing images: Pillow and numpy only.

Every image is turned as its own EXIF orientation says, so that labels lie on what a viewer shows; whether the images of
a sample still fit together then is checked by `crosswire.media.registration`.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from crosswire.media.describe import describe_image
from crosswire.media.orientation import orientation_of, upright, upright_size
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.steps.decode.sandbox import MediaError

COLOUR_FORMATS = ("JPEG", "PNG")
COLOUR_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr")
DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I")


class ImageError(MediaError):
    """An image or its description cannot be used; the message names the tensor, what came and what is allowed."""


def open_image(data: bytes, name: str, limits: ImageLimits, formats: tuple[str, ...]) -> Image.Image:
    """Open an encoded image and check its header; nothing is decoded yet.

    Args:
        data: the encoded file.
        name: the tensor's name, for messages.
        limits: what is allowed.
        formats: Pillow's names of the formats that are tried.

    Raises:
        ImageError: empty, too large, or of another format.
    """
    allowed = " or ".join(formats)
    if not data:
        raise ImageError(f"{name} is empty; send the bytes of a {allowed} file")
    if len(data) > limits.encoded_bytes:
        raise ImageError(f"{name} has {len(data)} bytes; allowed are {limits.encoded_bytes}")
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is no {allowed} file: {len(data)} bytes, starting with {data[:8]!r}; send the bytes of the file"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name} has far more pixels than the {limits.pixels} that are allowed: scale it down first"
        ) from None
    except Exception as error:  # a decoder may raise anything on bytes made to break it
        raise ImageError(f"{name} has a damaged {allowed} header: {error}; send a whole file") from None
    width, height = image.size
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise ImageError(
            f"{name} is {width} x {height} = {width * height} pixels; allowed are {limits.pixels} pixels "
            f"and {limits.side} a side: scale it down first"
        )
    return image


def load_pixels(image: Image.Image, name: str) -> None:
    """Decode an opened image.

    Raises:
        ImageError: the file is truncated or damaged.
    """
    try:
        image.load()
    except Exception as error:  # a decoder may raise anything on bytes made to break it
        raise ImageError(f"{name} cannot be decoded: {error}; send a whole, undamaged file") from None


def colour_pixels(image: Image.Image, name: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode a colour image and resize it.

    Args:
        image: from `open_image`.
        name: the tensor's name, for messages.
        size: width and height to resize to, by Pillow's area-weighted bilinear filter; a large JPEG is decoded at a
            reduced scale of at least twice that size. None keeps the image's own size.

    Returns:
        the pixels as a Pillow image of mode RGB, turned as the EXIF orientation says.

    Raises:
        ImageError: damaged, or not a colour or greyscale image of 8 bits.
    """
    if image.mode not in COLOUR_MODES:
        raise ImageError(f"{name} is {describe_image(image)}; send an 8-bit colour or greyscale JPEG or PNG file")
    orientation = orientation_of(image)
    size = None if size is None else upright_size(size, orientation)  # as it is stored
    if size is not None and image.format == "JPEG":
        image.draft("RGB", (2 * size[0], 2 * size[1]))
    load_pixels(image, name)
    colour = image if image.mode == "RGB" else image.convert("RGB")
    if size is not None and colour.size != size:
        colour = colour.resize(size, Image.Resampling.BILINEAR)
    return upright(colour, orientation)


def nearest(values: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """Resize by nearest neighbour, without blending.

    Args:
        values: any dtype, [h, w].
        height: new height.
        width: new width.

    Returns:
        the same dtype, [height, width]; a new pixel takes the value under its centre. A centre on the edge of two
        pixels may take either: at some sizes this is not bit for bit what `crosswire.media.resize.nearest` returns.
    """
    if values.shape == (height, width):
        return values
    rows, columns = _places(values.shape[0], height), _places(values.shape[1], width)
    # Whole rows are copied much faster than single values are gathered: the fewer rows there are then, the better.
    if height < values.shape[0]:
        return values.take(rows, axis=0).take(columns, axis=1)
    return values.take(columns, axis=1).take(rows, axis=0)


@lru_cache(maxsize=64)
def _places(length: int, wanted: int) -> npt.NDArray[np.intp]:
    """Return which of so many values lie under the centres of those that are wanted."""
    return ((np.arange(wanted) + 0.5) * (length / wanted)).astype(np.intp)
