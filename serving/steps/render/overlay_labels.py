"""The picture sent, tinted with the colours of its labels: what only people look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.wire_names import RGB_IMAGE
from crosswire.serving.config.limits import ImageLimits, MediaLimits
from crosswire.serving.steps.media.images import COLOUR_FORMATS, colour_pixels, load_pixels, open_image
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.media.registered import open_depth
from crosswire.serving.steps.render.label_spec import LabelSpec, labels_at, palette_image

OPACITY = 0.55


_decoded: dict[tuple[str, bytes], Image.Image] = {}  # of the request that is being answered


def overlay(labels: npt.NDArray[np.uint8], picture: Image.Image, look: LabelSpec) -> bytes:
    """Blend a picture with the class colours of its pixels.

    Args:
        labels: uint8 [H, W], class indices.
        picture: of mode RGB, from `visible`.
        look: what the labels mean.

    Returns:
        overlay_png, an RGB PNG file of the size of the picture.
    """
    labelled = palette_image(labels_at(labels, picture.size), look)
    return png_bytes(Image.blend(picture, labelled.convert("RGB"), OPACITY))


def visible(picture: bytes, limits: ImageLimits, name: str = RGB_IMAGE) -> Image.Image:
    """Decode a picture that was sent: the colour picture, or the depth picture where there is none.

    Args:
        picture: the encoded file.
        limits: what is allowed.
        name: its tensor.

    Returns:
        a picture of mode RGB and of its own size.

    Raises:
        PictureError: it cannot be decoded.
    """
    if name == RGB_IMAGE:
        return colour_pixels(open_image(picture, name, limits, COLOUR_FORMATS), name)
    return depth_shades(open_depth(picture, name, limits), name)


def depth_shades(picture: Image.Image, name: str) -> Image.Image:
    """Return an opened depth picture as shades of grey, the nearest reading lightest, holes black.

    Raises:
        PictureError: it is damaged.
    """
    load_pixels(picture, name)
    values = np.asarray(picture).astype(np.float32)
    readings = values[values > 0]
    near, far = np.percentile(readings, (1, 99)) if readings.size else (0.0, 1.0)
    shades = 255 - 200 * np.clip((values - near) / max(far - near, 1.0), 0, 1)
    return Image.fromarray(np.where(values > 0, shades, 0).astype(np.uint8)).convert("RGB")


def overlays(
    palette: list[list[int]], labels: npt.NDArray[np.uint8] | None, name: str, *pictures: bytes
) -> tuple[bytes, ...]:
    """Draw the samples of one request within the ordinary limits; a worker process runs this.

    Args:
        palette: RGB colours by index.
        labels: uint8 [N, H, W], class indices; None while they are not known: the pictures are decoded ahead, and the
            next call finds them.
        name: the tensor that the pictures came in.
        *pictures: the encoded pictures that were sent.

    Returns:
        N RGB PNG files, or nothing where there are no labels.

    Raises:
        PictureError: see `visible`.
    """
    limits = MediaLimits.chosen().images
    sent = [(name, picture) for picture in pictures]
    found = {one: _decoded.get(one) or visible(one[1], limits, name) for one in dict.fromkeys(sent)}
    _decoded.clear()
    if labels is None:
        _decoded.update(found)
        return ()
    look = LabelSpec("", (), tuple((red, green, blue) for red, green, blue in palette), None)
    return tuple(overlay(one, found[picture], look) for one, picture in zip(labels, sent, strict=True))
