"""Segmentation: colour and depth in, a label per pixel out; the request, and its result."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.display.depth_colours import shade_depth
from crosswire.clients.display.overlays import blend_labels
from crosswire.clients.errors import InputError, InternalServerError
from crosswire.clients.inputs.cameras import Camera, check_camera, check_stored, read_camera
from crosswire.clients.inputs.depth import check_units, depth_image
from crosswire.clients.inputs.images import EncodedImage, Source, check_registered, colour_image, encode_png
from crosswire.clients.inputs.tensors import bytes_tensor, camera_tensors, depth_tensors
from crosswire.clients.session import Request, Timings
from crosswire.clients.tasks.result import read_summary, registered_lines, save_files, single_value
from crosswire.clients.transport.base import Tensors
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CONFIDENCE_PNG, DEPTH, LABELS_PNG, OVERLAY_PNG, RGB, RGB_IMAGE, SUMMARY
from crosswire.media.orientation import orientation_of, upright

TASK = "segmentation"
SEGMENTATION_OUTPUTS = (LABELS_PNG, SUMMARY)
OPACITY = 0.55


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels for one pair of images.

    Attributes:
        pipeline: name of the pipeline that answered.
        labels: class index per pixel, uint8 [H, W], at the size of the colour image.
        class_names: names; the index is the label.
        palette: one RGB colour per class, uint8 [K, 3].
        shares: share of the image's area per class name, 0..1, all classes, in label order.
        confidences: mean confidence per class name, 0..1, classes that were found.
        mean_confidence: mean confidence of all labels, 0..1, or None if the server does not say.
        warnings: what the server found odd about the images.
        summary: everything that the server said, as it came.
        timings: where the time went.
        rgb: the encoded colour image that was sent, or None without one.
        labels_png: the labels as the server encoded them, an 8-bit palette PNG; its pixels are the classes' values in
            the training data, where the pipeline's description has `label_values`.
        overlay_png: the colours over the image, as the server drew them, or None if it was not asked for them.
        confidence: how certain each label is, uint8 [H, W], 255 is certain, at the size of the colour image; None if
            the server was not asked or does not say.
        depth: the encoded depth image that was sent, or None without one.
        streams: what the network used: `("rgb", "depth")`, or one of them.
    """

    pipeline: str
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    palette: NDArray[np.uint8]
    shares: Mapping[str, float]
    confidences: Mapping[str, float]
    mean_confidence: float | None
    warnings: tuple[str, ...]
    summary: Mapping[str, Any]
    timings: Timings
    rgb: bytes | None = field(repr=False)
    labels_png: bytes = field(repr=False)
    overlay_png: bytes | None = field(repr=False)
    confidence: NDArray[np.uint8] | None = field(default=None, repr=False)
    depth: bytes | None = field(default=None, repr=False)
    streams: tuple[str, ...] = (RGB, DEPTH)

    def overlay(self, opacity: float | None = None) -> Image.Image:
        """Return the class colours over the image.

        Args:
            opacity: weight of the colours, 0 (only the image) to 1 (only the colours); None returns the image that
                the server drew, or draws it here with `OPACITY`.

        Raises:
            InputError: the opacity is outside 0..1.
        """
        if opacity is None and self.overlay_png is not None:
            return Image.open(io.BytesIO(self.overlay_png)).convert("RGB")
        return blend_labels(self._shown(), self.labels, self.palette, OPACITY if opacity is None else opacity)

    def _shown(self) -> Image.Image:
        """Return the colour image, or the depth image in shades of grey where there is no colour."""
        if self.rgb is not None:
            return _upright(self.rgb)
        return shade_depth(np.asarray(_upright(self.depth or b"")))

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<stem>.labels.png`, `<stem>.overlay.png` and `<stem>.summary.json`; see `Result.save`."""
        overlay = self.overlay_png or encode_png(self.overlay()).data
        files = {"labels": ("labels.png", self.labels_png), "overlay": ("overlay.png", overlay)}
        return save_files(folder, stem, {**files, "summary": ("summary.json", self.summary)})

    def figures(self) -> dict[str, Any]:
        """Return shares and confidences as plain JSON types."""
        return {
            "shares": self.shares,
            "confidences": self.confidences,
            "mean_confidence": self.mean_confidence,
        }

    def as_lines(self) -> list[str]:
        """Return a table of the classes that were found, the largest share first."""
        found = sorted(((share, name) for name, share in self.shares.items() if share > 0), reverse=True)
        width = max(len("class"), *(len(name) for _, name in found))
        lines = [f"{'class':<{width}}   share  confidence"]
        for share, name in found:
            certain = self.confidences.get(name)
            lines.append(f"{name:<{width}}  {share:6.1%}  {'-' if certain is None else format(certain, '.2f'):>10}")
        return [*lines, *registered_lines(self.summary)]


def _upright(data: bytes) -> Image.Image:
    """Return an encoded image as it is meant to be seen."""
    image = Image.open(io.BytesIO(data))
    return upright(image, orientation_of(image))


def segmentation_request(
    rgb: Source | None = None,
    depth: Source | None = None,
    *,
    depth_units_per_metre: float | None = None,
    camera: Camera | None = None,
    pipeline: str | None = None,
    overlay: bool = True,
    confidence: bool = True,
) -> Request[Segmentation]:
    """Prepare a pair of images; the arguments are those of `Predictor.segment`.

    Raises:
        InputError: an image or the camera cannot be sent.
    """
    started = time.perf_counter()
    lenses = read_camera(camera)
    check_stored(() if lenses is None else (rgb, depth))
    colour = None if rgb is None else colour_image(rgb)
    check_units(depth_units_per_metre)
    found = None if depth is None else depth_image(depth, depth_units_per_metre)
    if colour is None and found is None:
        raise InputError("neither rgb nor depth came; send one of them or both")
    inputs: dict[str, NDArray[Any]] = {}
    if colour is not None:
        inputs[RGB_IMAGE] = bytes_tensor(colour.data)
    if lenses is not None:
        check_camera(lenses, colour, None if found is None else found.image)
        inputs |= camera_tensors(lenses)
    elif found is not None:
        check_registered(colour or found.image, found.image)
    if found is not None:
        inputs |= depth_tensors(found)
    return Request(
        TASK,
        pipeline,
        inputs,
        needed=SEGMENTATION_OUTPUTS,
        wished=(*((OVERLAY_PNG,) if overlay else ()), *((CONFIDENCE_PNG,) if confidence else ())),
        read=partial(read_segmentation, rgb=colour, depth=None if found is None else found.image),
        prepare_ms=1e3 * (time.perf_counter() - started),
    )


def read_segmentation(
    pipeline: PipelineDescription,
    tensors: Tensors,
    timings: Callable[[], Timings],
    *,
    rgb: EncodedImage | None,
    depth: EncodedImage | None,
) -> Segmentation:
    """Read the result of a segmentation pipeline.

    Args:
        pipeline: that was asked.
        tensors: BYTES tensors, object [1, 1], named as in `SEGMENTATION_OUTPUTS`; overlay and confidence where they
            were asked for.
        timings: returns where the time went, once everything is read.
        rgb: the colour image that was sent; the labels must have its size, or that of depth without one.
        depth: the depth image that was sent.

    Raises:
        InternalServerError: a tensor is not what its name promises.
    """
    image = rgb or depth
    assert image is not None
    labels_png, text = (single_value(tensors[name], name) for name in SEGMENTATION_OUTPUTS)
    labels = read_labels(labels_png, len(pipeline.classes), pipeline.label_values)
    if labels.shape != (image.height, image.width):
        size = f"{labels.shape[1]} x {labels.shape[0]}"
        raise InternalServerError(f"the server's labels are {size}, the image is {image}")
    summary, certain = read_summary(text), tensors.get(CONFIDENCE_PNG)
    sent = tuple(name for name, data in ((RGB, rgb), (DEPTH, depth)) if data is not None)
    try:
        return Segmentation(
            pipeline=pipeline.name,
            labels=labels,
            class_names=pipeline.classes,
            palette=np.array(pipeline.palette, dtype=np.uint8),
            shares=area_shares(labels, pipeline.classes),
            confidences={entry["name"]: float(entry["mean_confidence"]) for entry in summary.get("classes", ())},
            mean_confidence=None if (mean := summary.get("mean_confidence")) is None else float(mean),
            warnings=tuple(map(str, summary.get("warnings", ()))),
            summary=summary,
            rgb=None if rgb is None else rgb.data,
            depth=None if depth is None else depth.data,
            streams=tuple(summary.get("streams", ())) or sent,
            labels_png=labels_png,
            overlay_png=single_value(tensors[OVERLAY_PNG], OVERLAY_PNG) if OVERLAY_PNG in tensors else None,
            confidence=None if certain is None else read_confidence(single_value(certain, CONFIDENCE_PNG), image),
            timings=timings(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InternalServerError(
            f"the server's summary has another form ({error!r}); use the client of its release"
        ) from error


def read_labels(data: bytes, classes: int, values: Sequence[int] = ()) -> NDArray[np.uint8]:
    """Decode a label image.

    Args:
        data: 8-bit PNG whose pixel values are class indices, or the classes' own values.
        classes: number of classes.
        values: value of every class; empty where that is its index.

    Returns:
        Class index per pixel, uint8 [H, W].

    Raises:
        InternalServerError: it is no such image, or holds an index without a class.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode not in ("P", "L"):
                raise InternalServerError(f"the server's labels are a PNG of mode {image.mode}, not a palette image")
            labels = np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise InternalServerError(f"the server's labels are no readable PNG ({error})") from error
    if values:
        table = np.full(256, 255, np.uint8)
        table[list(values)] = range(classes)
        labels = table[labels]
    if labels.max() >= classes:
        raise InternalServerError(f"the server's labels hold index {labels.max()}, but there are {classes} classes")
    return labels


def read_confidence(data: bytes, size: EncodedImage) -> NDArray[np.uint8]:
    """Return a confidence map at the size of an image, uint8 [H, W], by nearest neighbour.

    Args:
        data: 8-bit grey PNG of any size; 255 is certain.
        size: the image that was sent.

    Raises:
        InternalServerError: it is something else.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode != "L":
                raise InternalServerError(f"the server's confidence is a PNG of mode {image.mode}, not a grey image")
            return np.asarray(image.resize((size.width, size.height), Image.Resampling.NEAREST))
    except (OSError, SyntaxError, ValueError) as error:
        raise InternalServerError(f"the server's confidence is no readable PNG ({error})") from error


def area_shares(labels: NDArray[np.uint8], class_names: tuple[str, ...]) -> dict[str, float]:
    """Return the share of the area per class name, 0..1, in label order.

    Args:
        labels: class index per pixel, uint8 [H, W], each below the number of classes.
        class_names: names; the index is the label.
    """
    counts = np.bincount(labels.reshape(-1), minlength=len(class_names))
    return {name: float(count) / labels.size for name, count in zip(class_names, counts, strict=True)}
