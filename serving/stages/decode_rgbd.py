"""Stage `<name>_decode`: an encoded colour picture and an encoded depth picture become the network's tensors."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.limits import PictureLimits
from serving.pipelines import DEPTH_UNITS_PER_METRE
from serving.stages.pictures import (
    DEPTH_MODES,
    PictureError,
    colour_pixels,
    describe,
    load_pixels,
    nearest,
    open_picture,
)


def decode_pair(
    rgb_image: bytes, depth_image: bytes, units_per_metre: float, height: int, width: int, limits: PictureLimits
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Decode a registered pair at the network's size.

    Args:
        rgb_image: JPEG or PNG file of any size.
        depth_image: 16-bit greyscale PNG file of the same aspect ratio; 0 is no reading.
        units_per_metre: value of the depth picture at one metre, for example 1000 for millimetres.
        height: the network's height.
        width: the network's width.
        limits: what is allowed.

    Returns:
        rgb: uint8 [height, width, 3], resized by an area-weighted bilinear filter.
        depth: float32 [height, width] in metres, 0 is no reading, resized by nearest neighbour: holes stay holes.

    Raises:
        PictureError: a picture is damaged, too large or of another kind, the two cannot be registered, or the unit
            makes no sense.
    """
    smallest, largest = limits.units_per_metre
    if not (math.isfinite(units_per_metre) and smallest <= units_per_metre <= largest):
        raise PictureError(
            f"depth_units_per_metre is {units_per_metre:g}; allowed are {smallest:g} to {largest:g} "
            "(1000 for millimetres, 1 for whole metres)"
        )
    colour = open_picture(rgb_image, "rgb_image", limits, ("JPEG", "PNG"))
    depth = open_picture(depth_image, "depth_image", limits, ("PNG",))
    if depth.mode not in DEPTH_MODES:
        raise PictureError(f"depth_image is {describe(depth)}; send a 16-bit greyscale PNG file")
    check_registered(colour.size, depth.size, limits.aspect_tolerance)
    rgb = np.asarray(colour_pixels(colour, "rgb_image", (width, height)))
    load_pixels(depth, "depth_image")
    readings = nearest(np.asarray(depth), height, width).astype(np.float32)
    return rgb, readings / np.float32(units_per_metre)


def decode_pairs(
    units_per_metre: list[float], height: int, width: int, *pictures: bytes
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Decode the pairs of one request within the ordinary limits; a worker process runs this.

    Args:
        units_per_metre: scale of every depth picture.
        height: the network's height.
        width: the network's width.
        *pictures: all colour pictures, then all depth pictures.

    Returns:
        rgb, uint8 [N, height, width, 3], and depth, float32 [N, height, width], as `decode_pair` returns them.

    Raises:
        PictureError: see `decode_pair`.
    """
    count, limits = len(units_per_metre), PictureLimits()
    pairs = [
        decode_pair(pictures[index], pictures[count + index], unit, height, width, limits)
        for index, unit in enumerate(units_per_metre)
    ]
    if count == 1:
        rgb, depth = pairs[0]
        return rgb[None], depth[None]  # the ordinary request: no copy
    return np.stack([rgb for rgb, _ in pairs]), np.stack([depth for _, depth in pairs])


def check_registered(rgb_size: tuple[int, int], depth_size: tuple[int, int], tolerance: float) -> None:
    """Raise `PictureError` unless two sizes (width, height) have one aspect ratio, up to rounding to whole pixels."""
    (rgb_width, rgb_height), (depth_width, depth_height) = rgb_size, depth_size
    ratio = (rgb_width * depth_height) / (rgb_height * depth_width)
    rounding = 0.5 / min(depth_size) + 0.5 / min(rgb_size) if rgb_size != depth_size else 0.0
    if abs(math.log(ratio)) > max(tolerance, rounding):
        raise PictureError(
            f"depth_image is {depth_width} x {depth_height} but rgb_image is {rgb_width} x {rgb_height}: another "
            "aspect ratio. The depth must be registered to the colour picture: same view, same aspect ratio "
            f"(within {tolerance:.0%}), any scale"
        )


class TritonPythonModel:
    """The stage inside Triton."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the network's size from the stage's own output dimensions, and start a decoder."""
        from serving.stages.triton import decoder_workers

        config = json.loads(args["model_config"])
        dims = {output["name"]: [int(size) for size in output["dims"]] for output in config["output"]}
        self._height, self._width = dims["depth"]
        self._workers = decoder_workers(f"{__name__}:decode_pairs")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request on its own; a bad picture fails its own request only."""
        from serving.stages.triton import answer_each

        return answer_each(requests, self._answer)

    def _answer(self, request: Any) -> dict[str, npt.NDArray[Any]]:
        """Decode the samples of one request."""
        from serving.stages.triton import input_array

        pictures = input_array(request, "rgb_image")
        depths = input_array(request, "depth_image")
        units = input_array(request, "depth_units_per_metre")
        if units is None:
            units = np.full(pictures.shape, DEPTH_UNITS_PER_METRE, np.float32)
        scales = [float(unit) for unit in units[:, 0]]
        rgb, depth = self._workers.call(scales, self._height, self._width, *pictures[:, 0], *depths[:, 0])
        return {"rgb": rgb, "depth": depth}

    def finalize(self) -> None:
        """End the worker processes."""
        self._workers.close()
