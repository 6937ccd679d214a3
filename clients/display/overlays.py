"""Class colours over an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError


def blend_labels(
    rgb: Image.Image, labels: NDArray[np.uint8], palette: NDArray[np.uint8], opacity: float
) -> Image.Image:
    """Blend the colours of labels over an image.

    Args:
        rgb: the image, any mode.
        labels: class index per pixel, uint8 [H, W]; an index without a class shows the image.
        palette: one RGB colour per class, uint8 [K, 3].
        opacity: weight of the colours, 0 (only the image) to 1 (only the colours).

    Raises:
        InputError: the sizes differ or the opacity is outside 0..1.
    """
    if not 0 <= opacity <= 1:
        raise InputError(f"opacity is {opacity}; allowed is 0 (only the image) to 1 (only the colours)")
    if labels.shape != (rgb.height, rgb.width):
        raise InputError(f"labels are {list(labels.shape)}, the image is {[rgb.height, rgb.width]}; send equal sizes")
    image = np.asarray(rgb.convert("RGB"))
    known = labels < len(palette)
    colours = np.where(known[..., None], palette[np.where(known, labels, 0)], image)
    return Image.blend(Image.fromarray(image), Image.fromarray(colours), opacity)
