"""Stage `<name>_overlay`: what only people look at: the tinted picture, and the certainty of every label."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from serving.limits import MediaLimits, PictureLimits
from serving.published import PARAMETER
from serving.stages.look import Look, labels_at, palette_picture
from serving.stages.pictures import colour_pixels, load_pixels, open_picture
from serving.stages.png import png_bytes
from serving.stages.registered import open_depth
from serving.stages.render_labels import pictures_sent
from serving.stages.triton import Each, decoder_workers, input_array

OPACITY = 0.55


def overlay(
    labels: npt.NDArray[np.uint8], picture: bytes, look: Look, limits: PictureLimits, name: str = "rgb_image"
) -> bytes:
    """Blend a picture with the class colours of its pixels.

    Args:
        labels: uint8 [H, W], class indices.
        picture: the encoded colour picture that was sent, or the depth picture where there is none.
        look: what the labels mean.
        limits: what is allowed.
        name: the picture's tensor.

    Returns:
        overlay_png, an RGB PNG file of the size of the picture sent.
    """
    if name == "rgb_image":
        colour = colour_pixels(open_picture(picture, name, limits, ("JPEG", "PNG")), name)
    else:
        colour = depth_shades(open_depth(picture, name, limits), name)
    labelled = palette_picture(labels_at(labels, colour.size), look)
    return png_bytes(Image.blend(colour, labelled.convert("RGB"), OPACITY))


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


def overlays(palette: list[list[int]], labels: npt.NDArray[np.uint8], name: str, *pictures: bytes) -> tuple[bytes, ...]:
    """Draw the samples of one request within the ordinary limits; a worker process runs this.

    Args:
        palette: RGB colours by index.
        labels: uint8 [N, H, W], class indices.
        name: the tensor that the pictures came in.
        *pictures: the encoded pictures that were sent.

    Returns:
        N RGB PNG files.

    Raises:
        PictureError: see `overlay`.
    """
    limits = MediaLimits.chosen().pictures
    look = Look("", (), tuple((red, green, blue) for red, green, blue in palette), None)
    return tuple(overlay(one, picture, look, limits, name) for one, picture in zip(labels, pictures, strict=True))


class TritonPythonModel(Each):
    """The stage inside Triton."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the palette from the stage's own parameters, and start a decoder."""
        super().initialize(args)
        config = json.loads(args["model_config"])
        look = Look.from_published(config["parameters"][PARAMETER]["string_value"])
        self._palette = [list(colour) for colour in look.palette]
        self._workers = decoder_workers(f"{__name__}:overlays")

    def answer(self, request: Any) -> dict[str, npt.NDArray[Any]]:
        """Draw the samples of one request."""
        names, pictures = zip(*pictures_sent(request), strict=True)
        drawn = self._workers.call(self._palette, input_array(request, "labels"), names[0], *pictures)
        certainty = [png_bytes(Image.fromarray(one)) for one in input_array(request, "confidence")]
        found = {"overlay_png": drawn, "confidence_png": certainty}
        return {name: np.array(files, dtype=np.object_).reshape(-1, 1) for name, files in found.items()}

    def finalize(self) -> None:
        """End the worker processes."""
        super().finalize()
        self._workers.close()
