"""EXIF orientation of images: which of eight ways a camera was held, and the image as it is meant to be seen."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

#: The tag's number, and its value where rows and columns are stored as they are seen.
TAG, UPRIGHT = 0x0112, 1
TAG_NAME = "EXIF orientation"
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SHORT = 3  # EXIF's number of the type of 16 bits
_LYING = 5  # from here on, width and height change places


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, of an image that was opened from a file; `UPRIGHT` where it says none.

    Nothing is decoded: EXIF of a PNG counts where it stands before the pixels. An image that was made of another one
    in memory is upright, whatever it has kept of the file's header, and so is a TIFF, which Pillow turns itself.
    """
    data = image.info.get("exif")
    if image.format in (None, "TIFF") or not data:
        return UPRIGHT
    return _tag_in(data)


def _tag_in(exif: bytes) -> int:
    """Return the orientation that EXIF data say, `UPRIGHT` where they say none, another one, or are damaged.

    They are a TIFF header and a list of entries of twelve bytes: tag, type, count, value (CIPA DC-008, 4.6.2).
    """
    data = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    try:
        (first,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, first)
        for place in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", data, place)
            if tag == TAG:
                return value if kind == _SHORT and value in _TURNS else UPRIGHT
    except struct.error:  # no such byte order, or an end too early
        pass
    return UPRIGHT


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height of an image as it is meant to be seen; those stored are its inverse, too."""
    return size if orientation < _LYING else (size[1], size[0])


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return a decoded image as it is meant to be seen."""
    return image if orientation == UPRIGHT else image.transpose(_TURNS[orientation])


def upright_array(values: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return an array [H, W, ...] of any type as it is meant to be seen; a view."""
    if orientation >= _LYING:
        values = np.swapaxes(values, 0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return values[rows, columns]
