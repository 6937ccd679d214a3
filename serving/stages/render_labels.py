"""Stage `<name>_render`: the network's labels become a label picture and a summary."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.limits import PictureLimits
from serving.published import PARAMETER
from serving.stages.look import Look, labels_at, palette_picture
from serving.stages.pictures import open_picture, png_bytes

MOSTLY_HOLES = 0.5


def summarise(
    labels: npt.NDArray[np.uint8],
    network_labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    look: Look,
) -> dict[str, Any]:
    """Say what was found.

    Args:
        labels: uint8 [h, w], at the size of the picture sent.
        network_labels: uint8 [H, W], at the network's size.
        confidence: uint8 [H, W], 255 is certain.
        depth: float32 [H, W], metres, 0 is no reading.
        look: what the labels mean.

    Returns:
        `network`; `width` and `height` of the picture sent; `mean_confidence` 0..1; `classes`: per class present its
        `index`, `name`, `share` of the area 0..1 and `mean_confidence` 0..1, largest share first; `warnings`.
    """
    height, width = labels.shape
    counts = np.bincount(labels.ravel(), minlength=len(look.classes))
    seen = np.bincount(network_labels.ravel(), minlength=len(look.classes))
    certainty = np.bincount(network_labels.ravel(), weights=confidence.ravel(), minlength=len(look.classes))
    order = sorted(np.flatnonzero(counts), key=lambda index: (-counts[index], index))
    return {
        "network": look.network,
        "width": width,
        "height": height,
        "mean_confidence": round(float(confidence.mean()) / 255, 4),
        "classes": [
            {
                "index": int(index),
                "name": look.classes[index],
                "share": round(float(counts[index]) / labels.size, 6),
                "mean_confidence": round(float(certainty[index] / max(seen[index], 1)) / 255, 4),
            }
            for index in order
        ],
        "warnings": depth_warnings(depth, look.depth_range),
    }


def depth_warnings(depth: npt.NDArray[np.float32], trained: tuple[float, float] | None) -> list[str]:
    """Name what is odd about a depth map, float32 [H, W] in metres: mostly holes, or another unit."""
    readings = depth[depth > 0]
    holes = 1 - readings.size / depth.size
    warnings = []
    if holes > MOSTLY_HOLES:
        warnings.append(f"{holes:.0%} of the depth picture has no reading")
    if readings.size and trained is not None:
        middle = float(np.median(readings))
        if not trained[0] / 2 <= middle <= trained[1] * 2:
            warnings.append(
                f"the median depth is {middle:.3g} m, the network was trained on {trained[0]:g} to {trained[1]:g} m: "
                "check depth_units_per_metre"
            )
    return warnings


def render(
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    rgb_image: bytes,
    depth: npt.NDArray[np.float32],
    look: Look,
    limits: PictureLimits,
) -> tuple[bytes, bytes]:
    """Render one sample at the size of the picture sent.

    Args:
        labels: uint8 [H, W], class indices.
        confidence: uint8 [H, W].
        rgb_image: the encoded colour picture that was sent; its header alone is read.
        depth: float32 [H, W], metres.
        look: what the labels mean.
        limits: what is allowed.

    Returns:
        labels_png and summary (UTF-8 JSON).
    """
    full = labels_at(labels, open_picture(rgb_image, "rgb_image", limits, ("JPEG", "PNG")).size)
    summary = summarise(full, labels, confidence, depth, look)
    return png_bytes(palette_picture(full, look)), json.dumps(summary, ensure_ascii=False).encode()


class TritonPythonModel:
    """The stage inside Triton."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read class names and palette from the stage's own parameters."""
        config = json.loads(args["model_config"])
        self._look = Look.from_published(config["parameters"][PARAMETER]["string_value"])
        self._limits = PictureLimits()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request on its own."""
        from serving.stages.triton import answer_each

        return answer_each(requests, self._answer)

    def _answer(self, request: Any) -> dict[str, npt.NDArray[Any]]:
        """Render the samples of one request."""
        from serving.stages.triton import input_array

        labels, confidence, pictures, depths = (
            input_array(request, name) for name in ("labels", "confidence", "rgb_image", "depth")
        )
        rendered = [
            render(*sample, self._look, self._limits)
            for sample in zip(labels, confidence, pictures[:, 0], depths, strict=True)
        ]
        columns = zip(*rendered, strict=True)
        return {
            name: np.array(column, dtype=np.object_).reshape(-1, 1)
            for name, column in zip(("labels_png", "summary"), columns, strict=True)
        }
