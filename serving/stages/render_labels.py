"""Stage `<name>_render`: the network's labels become a label picture and a summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from export.contract import MODALITIES
from serving.limits import MediaLimits, PictureLimits
from serving.published import PARAMETER
from serving.stages.depth_warnings import depth_warnings
from serving.stages.look import Look, classes_in, labels_at, palette_picture
from serving.stages.pictures import PictureError, open_picture
from serving.stages.png import png_bytes
from serving.stages.triton import Each, input_array

DEPTH = "depth"


def summarise(
    labels: npt.NDArray[np.uint8],
    network_labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    streams: Sequence[str],
    look: Look,
) -> dict[str, Any]:
    """Say what was found.

    Args:
        labels: uint8 [h, w], at the size of the picture sent.
        network_labels: uint8 [H, W], at the network's size.
        confidence: uint8 [H, W], 255 is certain.
        depth: float32 [H, W], metres, 0 is no reading.
        streams: names of the inputs that the network used.
        look: what the labels mean.

    Returns:
        `network`; `width` and `height` of the picture sent; `streams` that were used; `mean_confidence` 0..1;
        `classes`: per class present its `index`, `name`, `share` of the area 0..1 and `mean_confidence` 0..1, largest
        share first; `warnings`.
    """
    height, width = labels.shape
    pairs = (network_labels.astype(np.uint16) << 8 | confidence).ravel()
    counts = np.bincount(pairs, minlength=1 << 16).reshape(256, 256)  # pixels by class and certainty
    sure = counts @ np.arange(256) / np.maximum(counts.sum(1), 1) / 255
    return {
        "network": look.network,
        "width": width,
        "height": height,
        "streams": list(streams),
        "mean_confidence": round(float(confidence.mean()) / 255, 4),
        "classes": [
            {**one, "mean_confidence": round(float(sure[one["index"]]), 4)} for one in classes_in(labels, look)
        ],
        "warnings": depth_warnings(depth, look.depth_range) if DEPTH in streams else [],
    }


def render(
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    sent: tuple[str, bytes],
    depth: npt.NDArray[np.float32],
    streams: Sequence[str],
    look: Look,
    limits: PictureLimits,
) -> tuple[bytes, bytes]:
    """Render one sample at the size of the picture sent.

    Args:
        labels: uint8 [H, W], class indices.
        confidence: uint8 [H, W].
        sent: tensor name and bytes of an encoded picture that was sent; its header alone is read.
        depth: float32 [H, W], metres.
        streams: names of the inputs that the network used.
        look: what the labels mean.
        limits: what is allowed.

    Returns:
        labels_png and summary (UTF-8 JSON).
    """
    name, picture = sent
    full = labels_at(labels, open_picture(picture, name, limits, ("JPEG", "PNG")).size)
    summary = summarise(full, labels, confidence, depth, streams, look)
    return png_bytes(palette_picture(full, look)), json.dumps(summary, ensure_ascii=False).encode()


def pictures_sent(request: Any) -> list[tuple[str, bytes]]:
    """Return per sample the picture that its answer looks like: the colour picture, or the depth for want of one."""
    for name in ("rgb_image", "depth_image"):
        if (pictures := input_array(request, name)) is not None:
            return [(name, picture) for picture in pictures[:, 0]]
    raise PictureError("the request holds neither rgb_image nor depth_image; send at least one of them")


class TritonPythonModel(Each):
    """The stage inside Triton."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read class names and palette from the stage's own parameters."""
        super().initialize(args)
        config = json.loads(args["model_config"])
        self._look = Look.from_published(config["parameters"][PARAMETER]["string_value"])
        self._limits = MediaLimits.chosen().pictures

    def answer(self, request: Any) -> dict[str, npt.NDArray[Any]]:
        """Render the samples of one request."""
        labels, confidence, depths = (input_array(request, name) for name in ("labels", "confidence", "depth"))
        used = input_array(request, MODALITIES)
        streams = [["rgb", DEPTH]] * len(labels) if used is None else [one.decode().split("+") for one in used[:, 0]]
        rendered = [
            render(*sample, self._look, self._limits)
            for sample in zip(labels, confidence, pictures_sent(request), depths, streams, strict=True)
        ]
        columns = zip(*rendered, strict=True)
        return {
            name: np.array(column, dtype=np.object_).reshape(-1, 1)
            for name, column in zip(("labels_png", "summary"), columns, strict=True)
        }
