"""The image sent, tinted with the colours of its labels: what only people look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.wire_names import RGB_IMAGE
from crosswire.media.orientation import orientation_of, upright
from crosswire.serving.config.limits import ImageLimits, MediaLimits
from crosswire.serving.steps.media.images import COLOUR_FORMATS, colour_pixels, load_pixels, open_image
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.media.registered import open_depth
from crosswire.serving.steps.render.label_spec import LabelSpec, labels_at, palette_image

OPACITY = 0.55


_decoded: dict[tuple[str, bytes], Image.Image] = {}  # of the request that is being answered


def overlay(labels: npt.NDArray[np.uint8], image: Image.Image, label_spec: LabelSpec) -> bytes:
    """Blend an image with the class colours of its pixels.

    Args:
        labels: uint8 [H, W], class indices.
        image: of mode RGB, from `visible`.
        label_spec: what the labels mean.

    Returns:
        overlay_png, an RGB PNG file of the size of the image.
    """
    labelled = palette_image(labels_at(labels, image.size), label_spec)
    return png_bytes(Image.blend(image, labelled.convert("RGB"), OPACITY))


def visible(image: bytes, limits: ImageLimits, name: str = RGB_IMAGE) -> Image.Image:
    """Decode an image that was sent: the colour image, or the depth image where there is none.

    Args:
        image: the encoded file.
        limits: what is allowed.
        name: its tensor.

    Returns:
        an image of mode RGB and of its own size, turned as its EXIF orientation says.

    Raises:
        ImageError: it cannot be decoded.
    """
    if name == RGB_IMAGE:
        return colour_pixels(open_image(image, name, limits, COLOUR_FORMATS), name)
    opened = open_depth(image, name, limits)
    return upright(depth_shades(opened, name), orientation_of(opened))


def depth_shades(image: Image.Image, name: str) -> Image.Image:
    """Return an opened depth image as shades of grey, the nearest reading lightest, holes black.

    Raises:
        ImageError: it is damaged.
    """
    load_pixels(image, name)
    values = np.asarray(image).astype(np.float32)
    readings = values[values > 0]
    near, far = np.percentile(readings, (1, 99)) if readings.size else (0.0, 1.0)
    shades = 255 - 200 * np.clip((values - near) / max(far - near, 1.0), 0, 1)
    return Image.fromarray(np.where(values > 0, shades, 0).astype(np.uint8)).convert("RGB")


def overlays(
    palette: list[list[int]], labels: npt.NDArray[np.uint8] | None, name: str, *images: bytes
) -> tuple[bytes, ...]:
    """Draw the samples of one request within the ordinary limits; a worker process runs this.

    Args:
        palette: RGB colours by index.
        labels: uint8 [N, H, W], class indices; None while they are not known: the images are decoded ahead, and the
            next call finds them.
        name: the tensor that the images came in.
        *images: the encoded images that were sent.

    Returns:
        N RGB PNG files, or nothing where there are no labels.

    Raises:
        ImageError: see `visible`.
    """
    limits = MediaLimits.chosen().images
    sent = [(name, image) for image in images]
    found = {one: _decoded.get(one) or visible(one[1], limits, name) for one in dict.fromkeys(sent)}
    _decoded.clear()
    if labels is None:
        _decoded.update(found)
        return ()
    label_spec = LabelSpec("", (), tuple((red, green, blue) for red, green, blue in palette))
    return tuple(overlay(one, found[image], label_spec) for one, image in zip(labels, sent, strict=True))
