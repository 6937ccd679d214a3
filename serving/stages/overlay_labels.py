"""Stage `<name>_overlay`: what only people look at: the tinted picture, and the certainty of every label."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from serving.limits import PictureLimits
from serving.published import PARAMETER
from serving.stages.look import Look, labels_at, palette_picture
from serving.stages.pictures import colour_pixels, open_picture, photo_png_bytes, png_bytes

OPACITY = 0.55


def overlay(labels: npt.NDArray[np.uint8], rgb_image: bytes, look: Look, limits: PictureLimits) -> bytes:
    """Blend a colour picture with the class colours of its pixels.

    Args:
        labels: uint8 [H, W], class indices.
        rgb_image: the encoded colour picture that was sent.
        look: what the labels mean.
        limits: what is allowed.

    Returns:
        overlay_png, an RGB PNG file of the size of the picture sent.
    """
    colour = colour_pixels(open_picture(rgb_image, "rgb_image", limits, ("JPEG", "PNG")), "rgb_image")
    labelled = palette_picture(labels_at(labels, colour.size), look)
    return photo_png_bytes(Image.blend(colour, labelled.convert("RGB"), OPACITY))


def overlays(palette: list[list[int]], labels: npt.NDArray[np.uint8], *pictures: bytes) -> tuple[bytes, ...]:
    """Draw the samples of one request within the ordinary limits; a worker process runs this.

    Args:
        palette: RGB colours by index.
        labels: uint8 [N, H, W], class indices.
        *pictures: the encoded colour pictures that were sent.

    Returns:
        N RGB PNG files.

    Raises:
        PictureError: see `overlay`.
    """
    look = Look("", (), tuple((red, green, blue) for red, green, blue in palette), None)
    return tuple(overlay(one, rgb, look, PictureLimits()) for one, rgb in zip(labels, pictures, strict=True))


class TritonPythonModel:
    """The stage inside Triton."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the palette from the stage's own parameters, and start a decoder."""
        from serving.stages.triton import decoder_workers

        config = json.loads(args["model_config"])
        look = Look.from_published(config["parameters"][PARAMETER]["string_value"])
        self._palette = [list(colour) for colour in look.palette]
        self._workers = decoder_workers(f"{__name__}:overlays")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request on its own."""
        from serving.stages.triton import answer_each

        return answer_each(requests, self._answer)

    def _answer(self, request: Any) -> dict[str, npt.NDArray[Any]]:
        """Draw the samples of one request."""
        from serving.stages.triton import input_array

        labels, pictures = input_array(request, "labels"), input_array(request, "rgb_image")
        drawn = self._workers.call(self._palette, labels, *pictures[:, 0])
        certainty = [png_bytes(Image.fromarray(one)) for one in input_array(request, "confidence")]
        found = {"overlay_png": drawn, "confidence_png": certainty}
        return {name: np.array(files, dtype=np.object_).reshape(-1, 1) for name, files in found.items()}

    def finalize(self) -> None:
        """End the worker processes."""
        self._workers.close()
