"""Depth, from whatever the user has to a 16-bit PNG and its unit.

A 16-bit PNG travels unchanged, whole numbers in the sender's unit. Floats are metres unless a unit is given, and travel
as millimetres, rounded to the nearest. `crosswire.media.depth` says what is no reading.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.images import EncodedImage, Source, encode_png, read_header, read_source
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE, DEPTH
from crosswire.media.depth import SATURATED, is_reading
from crosswire.media.depth_files import DepthFileError, numbers_of, read_depth_file
from crosswire.media.orientation import orientation_of, upright_array

_MOST_TOO_FAR = 0.25
_REMEDY = "send a PNG with one channel of 16 bits"
_DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class DepthImage:
    """A depth image to send.

    Attributes:
        image: 16-bit PNG with one channel; 0 is no reading.
        units_per_metre: what one metre counts in it, or None for the server's default.
    """

    image: EncodedImage
    units_per_metre: float | None


def check_units(units_per_metre: float | None) -> None:
    """Raise `InputError` unless a scale of depth images makes sense; None is the server's default."""
    number = isinstance(units_per_metre, numbers.Real) and math.isfinite(units_per_metre) and units_per_metre > 0
    if units_per_metre is not None and not number:
        raise InputError(
            f"depth_units_per_metre is {units_per_metre!r}; send a number above 0, for example 1000 or 5000"
        )


def depth_image(source: Source, units_per_metre: float | None = None) -> DepthImage:
    """Return the depth image to send.

    Args:
        source: path or bytes of a depth file, see `crosswire.media.depth_files`; a Pillow image of mode I;16, I or F;
            or an array [H, W], whole numbers of any type, 0..65535, or floating point.
        units_per_metre: what one metre counts in it; None leaves whole numbers to the server's default and takes
            floats for metres.

    Raises:
        InputError: the source is none of these, a value does not fit, or the unit makes no sense.
    """
    check_units(units_per_metre)
    if isinstance(source, Image.Image):
        source = _array_of(source)
    if isinstance(source, np.ndarray):
        return _numbers(source, DEPTH, units_per_metre)
    data, label = read_source(source, DEPTH)
    if data.startswith(_PNG):
        return DepthImage(_checked_png(data, label), units_per_metre)
    try:
        values = read_depth_file(data)
    except DepthFileError as error:
        raise InputError(f"{label} {error}") from error
    return _numbers(values, label, units_per_metre)


def _numbers(values: NDArray[Any], label: str, units_per_metre: float | None) -> DepthImage:
    """Return an array [H, W] as the depth image to send."""
    try:
        values = numbers_of(values)
    except DepthFileError as error:
        raise InputError(f"{label}: the array {error}") from error
    if values.dtype.kind == "u":
        return DepthImage(encode_png(Image.fromarray(np.ascontiguousarray(values))), units_per_metre)
    metres = values if units_per_metre is None else values.astype(np.float64) / units_per_metre
    return DepthImage(encode_png(Image.fromarray(millimetres(metres))), DEFAULT_UNITS_PER_METRE)


def millimetres(metres: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Return metres, [H, W], as millimetres, rounded to the nearest; 0 where there is no reading.

    What is not finite or negative is no reading; what is too far for 16 bits becomes 65535, which the server names.

    Raises:
        InputError: more readings than a few are too far for 16 bits: these are no metres.
    """
    readings = is_reading(metres)
    scaled = np.rint(np.where(readings, metres, 0).astype(np.float64) * DEFAULT_UNITS_PER_METRE)
    if np.count_nonzero(scaled >= SATURATED) > _MOST_TOO_FAR * np.count_nonzero(readings):
        raise InputError(
            f"depth reaches {float(metres[readings].max()):g} m, expected are metres below "
            f"{SATURATED / DEFAULT_UNITS_PER_METRE}; if these are no metres, say how many are one: "
            "depth_units_per_metre"
        )
    whole: NDArray[np.uint16] = np.minimum(scaled, SATURATED).astype(np.uint16)
    return whole


def _array_of(image: Image.Image) -> NDArray[Any]:
    """Return the numbers of a Pillow image of mode I;16, I or F, turned like `colour_image` turns colour."""
    if image.mode not in (*_DEPTH_MODES, "F"):
        raise InputError(
            f"depth: came a Pillow image of mode {image.mode}; allowed are I;16, I (0..65535) and F (metres)"
        )
    orientation = orientation_of(image)
    return upright_array(np.asarray(image), orientation)


def _checked_png(data: bytes, label: str) -> EncodedImage:
    """Return a depth file that travels as it is, after a look at its header."""
    header = read_header(data, label, _REMEDY)
    if header.mode not in _DEPTH_MODES:
        raise InputError(f"{label} is {header.described}; {_REMEDY}")
    return header.image
