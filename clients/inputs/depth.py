"""Depth, from whatever the user has to a 16-bit PNG and its unit.

Integers are in the sender's unit and travel unchanged; floats are metres and travel as millimetres, rounded to the
nearest. Zero is always "no reading".
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
from crosswire.clients.inputs.images import EncodedImage, Source, describe_array, encode_png, read_header, read_source
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE, DEPTH
from crosswire.media.depth import SATURATED, is_reading

_MOST_TOO_FAR = 0.25
_REMEDY = "send a PNG with one channel of 16 bits"
_ALLOWED = "allowed are uint16 [height, width] in units of your own or a float array [height, width] in metres"


@dataclass(frozen=True)
class DepthImage:
    """A depth image to send.

    Attributes:
        image: 16-bit PNG with one channel; 0 is no reading.
        units_per_metre: what one metre counts in it, or None for the server's default of 1000.
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
        source: path or bytes of a 16-bit PNG; a Pillow image of mode I;16, I or F; or an array, uint16 [H, W] in
            units of `units_per_metre`, or floating point [H, W] in metres, 0..65.535.
        units_per_metre: what one metre counts in an integer image; None means 1000. Must be None for floats.

    Raises:
        InputError: the source is none of these, a value does not fit, or the unit makes no sense.
    """
    check_units(units_per_metre)
    if isinstance(source, Image.Image):
        source = _array_of(source)
    if not isinstance(source, np.ndarray):
        data, label = read_source(source, DEPTH)
        return DepthImage(_checked_png(data, label), units_per_metre)
    if source.ndim != 2 or source.size == 0:
        raise InputError(f"depth: came {describe_array(source)}; {_ALLOWED}")
    if source.dtype == np.uint16:
        return DepthImage(encode_png(Image.fromarray(np.ascontiguousarray(source))), units_per_metre)
    if not np.issubdtype(source.dtype, np.floating):
        raise InputError(f"depth: came {describe_array(source)}; {_ALLOWED}")
    if units_per_metre is not None:
        raise InputError(
            f"depth: came {source.dtype}, which means metres, and depth_units_per_metre={units_per_metre:g}; leave the "
            "unit out, or send uint16"
        )
    return DepthImage(encode_png(Image.fromarray(millimetres(source))), DEFAULT_UNITS_PER_METRE)


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
    """Return the numbers of a Pillow image of mode I;16, I (32-bit integers that fit into 16) or F."""
    array = np.asarray(image)
    if image.mode.startswith("I;16"):
        return array.astype(np.uint16)
    if image.mode == "I":
        if array.min() < 0 or array.max() > SATURATED:
            raise InputError(f"depth: a Pillow image of mode I holds {array.min()}..{array.max()}; allowed is 0..65535")
        return array.astype(np.uint16)
    if image.mode == "F":
        return array
    raise InputError(f"depth: came a Pillow image of mode {image.mode}; allowed are I;16, I (0..65535) and F (metres)")


def _checked_png(data: bytes, label: str) -> EncodedImage:
    """Return a depth file after reading bits and colour type from its PNG header (bytes 24 and 25 of every PNG)."""
    header = read_header(data, label, _REMEDY)
    if header.format != "PNG":
        raise InputError(f"{label} is a {header.format}; depth does not survive lossy compression: {_REMEDY}")
    bits, colour_type = data[24], data[25]
    if bits != 16 or colour_type != 0:
        channels = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}.get(colour_type, "unknown")
        raise InputError(f"{label} is a PNG of {bits} bits ({channels}); {_REMEDY}")
    return header.image
