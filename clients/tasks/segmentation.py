"""What a pipeline said about one pair of pictures."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.display.depth_colours import shade_depth
from crosswire.clients.display.overlays import blend_labels
from crosswire.clients.files import prepare_folder, write_whole
from crosswire.clients.inputs.images import encode_png
from crosswire.contract.wire_names import DEPTH, RGB

OPACITY = 0.55


@dataclass(frozen=True)
class Timings:
    """Where the time went, in milliseconds, as the client saw it.

    Attributes:
        prepare_ms: reading, checking and encoding the pictures.
        request_ms: from sending the request to having the whole answer.
        read_ms: decoding the answer.
        total_ms: all of it, and asking the server about its pipelines if that was needed.
        attempts: how often the request was sent; more than 1 if a server was full or gone.
    """

    prepare_ms: float
    request_ms: float
    read_ms: float
    total_ms: float
    attempts: int = 1


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels for one pair of pictures.

    Attributes:
        pipeline: name of the pipeline that answered.
        labels: class index per pixel, uint8 [H, W], at the size of the colour picture.
        class_names: names; the index is the label.
        palette: one RGB colour per class, uint8 [K, 3].
        shares: share of the picture's area per class name, 0..1, all classes, in label order.
        confidences: mean confidence per class name, 0..1, classes that were found.
        mean_confidence: mean confidence of all labels, 0..1, or None if the server does not say.
        warnings: what the server found odd about the pictures.
        summary: everything that the server said, as it came.
        timings: where the time went.
        rgb: the encoded colour picture that was sent, or None without one.
        labels_png: the labels as the server encoded them, an 8-bit palette PNG.
        overlay_png: the colours over the picture, as the server drew them, or None if it was not asked for them.
        confidence: how certain each label is, uint8 [H, W], 255 is certain, at the size of the colour picture; None if
            the server was not asked or does not say.
        depth: the encoded depth picture that was sent, or None without one.
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
        """Return the class colours over the picture.

        Args:
            opacity: weight of the colours, 0 (only the picture) to 1 (only the colours); None returns the picture that
                the server drew, or draws it here with `OPACITY`.

        Raises:
            InputError: the opacity is outside 0..1.
        """
        if opacity is None and self.overlay_png is not None:
            return Image.open(io.BytesIO(self.overlay_png)).convert("RGB")
        return blend_labels(self._picture(), self.labels, self.palette, OPACITY if opacity is None else opacity)

    def _picture(self) -> Image.Image:
        """Return the colour picture, or the depth picture in shades of grey where there is no colour."""
        if self.rgb is not None:
            return Image.open(io.BytesIO(self.rgb))
        return shade_depth(np.asarray(Image.open(io.BytesIO(self.depth or b""))))

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<stem>.labels.png`, `<stem>.overlay.png` and `<stem>.summary.json`, each whole or not at all.

        Args:
            folder: where to; made if it does not exist.
            stem: beginning of the three file names.

        Returns:
            The files as `labels`, `overlay` and `summary`.

        Raises:
            OutputError: the folder cannot be made or written to.
        """
        place = prepare_folder(folder)
        summary = json.dumps(self.summary, indent=1, ensure_ascii=False) + "\n"
        overlay = self.overlay_png or encode_png(self.overlay()).data
        return {
            "labels": write_whole(place / f"{stem}.labels.png", self.labels_png),
            "overlay": write_whole(place / f"{stem}.overlay.png", overlay),
            "summary": write_whole(place / f"{stem}.summary.json", summary.encode()),
        }


def area_shares(labels: NDArray[np.uint8], class_names: tuple[str, ...]) -> dict[str, float]:
    """Return the share of the area per class name, 0..1, in label order.

    Args:
        labels: class index per pixel, uint8 [H, W], each below the number of classes.
        class_names: names; the index is the label.
    """
    counts = np.bincount(labels.reshape(-1), minlength=len(class_names))
    return {name: float(count) / labels.size for name, count in zip(class_names, counts, strict=True)}
