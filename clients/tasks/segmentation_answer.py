"""From the tensors of an answer to labels and a summary."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InternalServerError
from crosswire.clients.inputs.images import EncodedImage
from crosswire.contract.wire_names import CONFIDENCE_PNG, LABELS_PNG, OVERLAY_PNG, SUMMARY

SEGMENTATION_OUTPUTS = (LABELS_PNG, SUMMARY)


@dataclass(frozen=True, eq=False)
class SegmentationResponse:
    """The answer of a segmentation pipeline, decoded.

    Attributes:
        labels: class index per pixel, uint8 [H, W].
        labels_png: the same as it came.
        overlay_png: the overlay as it came, or None if it was not asked for.
        confidence: how certain each label is, uint8 [H, W], 255 is certain, or None if it was not asked for.
        confidences: mean confidence per class name, 0..1, classes that were found.
        mean_confidence: mean confidence of all labels, 0..1, or None if the server does not say.
        warnings: what the server found odd about the pictures.
        summary: all of the parsed summary.
    """

    labels: NDArray[np.uint8]
    labels_png: bytes
    overlay_png: bytes | None
    confidence: NDArray[np.uint8] | None
    confidences: Mapping[str, float]
    mean_confidence: float | None
    warnings: tuple[str, ...]
    summary: Mapping[str, Any]


def read_segmentation(tensors: Mapping[str, NDArray[Any]], classes: int, rgb: EncodedImage) -> SegmentationResponse:
    """Decode the answer of a segmentation pipeline.

    Args:
        tensors: BYTES tensors, object [1, 1], named as in `SEGMENTATION_OUTPUTS`; overlay and confidence where they
            were asked for.
        classes: number of classes.
        rgb: the colour picture that was sent; the labels must have its size.

    Raises:
        ServerFailed: a tensor is not what its name promises.
    """
    labels_png, summary = (only(tensors[name], name) for name in SEGMENTATION_OUTPUTS)
    labels = read_labels(labels_png, classes)
    if labels.shape != (rgb.height, rgb.width):
        raise InternalServerError(
            f"the server's labels are {labels.shape[1]} x {labels.shape[0]}, the picture is {rgb}"
        )
    said, certain = read_summary(summary), tensors.get(CONFIDENCE_PNG)
    try:
        found = said.get("classes", ())
        return SegmentationResponse(
            labels=labels,
            labels_png=labels_png,
            overlay_png=only(tensors[OVERLAY_PNG], OVERLAY_PNG) if OVERLAY_PNG in tensors else None,
            confidence=None if certain is None else read_confidence(only(certain, CONFIDENCE_PNG), rgb),
            confidences={entry["name"]: float(entry["mean_confidence"]) for entry in found},
            mean_confidence=None if (mean := said.get("mean_confidence")) is None else float(mean),
            warnings=tuple(str(warning) for warning in said.get("warnings", ())),
            summary=said,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InternalServerError(
            f"the server's summary has another form ({error!r}); use the client of its release"
        ) from error


def read_labels(data: bytes, classes: int) -> NDArray[np.uint8]:
    """Decode a label picture.

    Args:
        data: 8-bit PNG whose pixel values are class indices.
        classes: number of classes.

    Returns:
        Class index per pixel, uint8 [H, W].

    Raises:
        ServerFailed: it is no such picture, or holds an index without a class.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode not in ("P", "L"):
                raise InternalServerError(f"the server's labels are a PNG of mode {image.mode}, not a palette picture")
            labels = np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise InternalServerError(f"the server's labels are no readable PNG ({error})") from error
    if labels.max() >= classes:
        raise InternalServerError(f"the server's labels hold index {labels.max()}, but there are {classes} classes")
    return labels


def read_confidence(data: bytes, rgb: EncodedImage) -> NDArray[np.uint8]:
    """Return a confidence map at the size of the picture, uint8 [H, W], by nearest neighbour.

    Args:
        data: 8-bit grey PNG of any size; 255 is certain.
        rgb: the colour picture that was sent.

    Raises:
        ServerFailed: it is something else.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode != "L":
                raise InternalServerError(f"the server's confidence is a PNG of mode {image.mode}, not a grey picture")
            return np.asarray(image.resize((rgb.width, rgb.height), Image.Resampling.NEAREST))
    except (OSError, SyntaxError, ValueError) as error:
        raise InternalServerError(f"the server's confidence is no readable PNG ({error})") from error


def read_summary(data: bytes) -> dict[str, Any]:
    """Parse a summary.

    Raises:
        ServerFailed: it is no JSON object.
    """
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise InternalServerError(f"the server's summary is no JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise InternalServerError(f"the server's summary is a JSON {type(parsed).__name__}, not an object")
    return parsed


def only(tensor: NDArray[Any], name: str) -> bytes:
    """Return the one value of a BYTES tensor."""
    if tensor.size != 1 or not isinstance(tensor.reshape(-1)[0], bytes):
        raise InternalServerError(f"the server's {name} is {tensor.dtype} {list(tensor.shape)}, not one BYTES value")
    value: bytes = tensor.reshape(-1)[0]
    return value
