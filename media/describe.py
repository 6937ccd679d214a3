"""What kind of image somebody sent, in words: for every message that says why it cannot be used."""

from __future__ import annotations

from PIL import Image

_NAMES = {
    "1": "black-and-white picture",
    "L": "greyscale picture",
    "LA": "greyscale picture with alpha",
    "P": "palette picture",
    "PA": "palette picture with alpha",
    "RGB": "RGB picture",
    "RGBA": "RGB picture with alpha",
    "CMYK": "CMYK picture",
    "I": "greyscale picture",
    "F": "picture of floating point numbers",
}
#: Names that say nothing without the number of bits.
_GREY = ("L", "LA", "I")


def describe_image(image: Image.Image) -> str:
    """Say in words what kind of image this is, for example `an 8-bit greyscale picture (PNG, mode L)`.

    An image that is not yet decoded is told as it is stored: Pillow opens 16-bit grey with alpha as 8-bit colour.
    """
    stored = str(next((part for tile in getattr(image, "tile", ()) for part in [tile[3]]), ""))
    raw, _, detail = stored.strip("(',) ").partition(";")
    kind = raw if raw in _NAMES else image.mode.partition(";")[0]
    name = _NAMES.get(kind, "picture")
    bits = 16 if "16" in detail + image.mode or kind == "I" else 8
    if kind in _GREY or bits == 16:
        name = f"{bits}-bit {name}"
    return f"{'an' if name.startswith(('8', 'RGB')) else 'a'} {name} ({image.format}, mode {image.mode})"
