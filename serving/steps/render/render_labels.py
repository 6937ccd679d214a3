"""Step `<name>_render`: the network's labels become a label image, an overlay, a certainty and a summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract import MODALITIES, PipelineDescription
from crosswire.contract.wire_names import (
    CONFIDENCE,
    CONFIDENCE_PNG,
    DEPTH,
    DEPTH_IMAGE,
    IMAGE_FACTS,
    IMAGE_SUFFIX,
    LABELS,
    LABELS_PNG,
    OVERLAY_PNG,
    RGB,
    RGB_IMAGE,
    SUMMARY,
)
from crosswire.serving.steps.decode.sandbox import Worker, Workers
from crosswire.serving.steps.media.image_facts import Facts, read_facts, registered_of, turns_of, warnings_of
from crosswire.serving.steps.media.images import ImageError
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.render.label_spec import LabelSpec, classes_in, labels_at, palette_image
from crosswire.serving.steps.render.overlay_labels import overlays
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest, column, decoder_workers


def summarise(
    labels: npt.NDArray[np.uint8],
    network_labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    facts: Facts,
    streams: Sequence[str],
    label_spec: LabelSpec,
) -> dict[str, Any]:
    """Say what was found.

    Args:
        labels: uint8 [h, w], at the size of the image sent.
        network_labels: uint8 [H, W], at the network's size.
        confidence: uint8 [H, W], 255 is certain.
        facts: what is known of the images sent.
        streams: names of the inputs that the network used.
        label_spec: what the labels mean.

    Returns:
        `network`; `width` and `height` of the image sent, as it is seen; `exif_orientation` where an image was turned
        by it; `depth_registered`, the share of the colour image that has depth, 0..1, where a camera registered it;
        `streams` that were used; `mean_confidence` 0..1; `classes`: per class present its `index`, `name`,
        `share` of the area 0..1 and `mean_confidence` 0..1, largest share first; `warnings`.
    """
    height, width = labels.shape
    flat = network_labels.ravel()
    sure = np.bincount(flat, confidence.ravel(), 256) / np.maximum(np.bincount(flat, minlength=256), 1) / 255
    return {
        "network": label_spec.network,
        "width": width,
        "height": height,
        **turns_of(facts),
        **registered_of(facts),
        "streams": list(streams),
        "mean_confidence": round(float(confidence.mean()) / 255, 4),
        "classes": [
            {**one, "mean_confidence": round(float(sure[one["index"]]), 4)} for one in classes_in(labels, label_spec)
        ],
        "warnings": warnings_of(facts, streams),
    }


def render(
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    size: tuple[int, int],
    facts: Facts,
    streams: Sequence[str],
    label_spec: LabelSpec,
) -> tuple[bytes, bytes]:
    """Render one sample at the size of the image sent.

    Args:
        labels: uint8 [H, W], class indices.
        confidence: uint8 [H, W].
        size: width and height of the image sent.
        facts: what is known of the images sent.
        streams: names of the inputs that the network used.
        label_spec: what the labels mean.

    Returns:
        labels_png and summary (UTF-8 JSON).
    """
    full = labels_at(labels, size)
    summary = summarise(full, labels, confidence, facts, streams, label_spec)
    return png_bytes(palette_image(full, label_spec)), json.dumps(summary, ensure_ascii=False).encode()


def images_sent(request: StepRequest) -> tuple[str, list[bytes]]:
    """Return the tensor and the images that answers look like: the colour images, or the depth for want of them."""
    for name in (RGB_IMAGE, DEPTH_IMAGE):
        if (images := request.array(name)) is not None:
            return name, list(images[:, 0])
    raise ImageError("the request holds neither rgb_image nor depth_image; send at least one of them")


class RenderLabels(Step):
    """Renders labels, certainty, a summary and, where somebody wants it, an overlay."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Read class names and palette from the model's own parameters, and start a decoder for overlays."""
        self._label_spec = LabelSpec.of(PipelineDescription.from_config(config))
        self._palette = [list(colour) for colour in self._label_spec.palette]
        self._workers = decoder_workers(f"{overlays.__module__}:{overlays.__name__}")

    def foresee(self, request: StepRequest) -> Any:
        """Have a worker decode the images that overlays are drawn on, if one has nothing to do; return it."""
        if OVERLAY_PNG not in request.wanted or not (worker := request.held.enter_context(self._workers.held())):
            return None
        name, images = images_sent(request)
        return worker, request.held.enter_context(worker.calling(self._palette, None, name, *images))

    def run(self, request: StepRequest) -> Arrays:
        """Render the samples of one request, while a worker draws the overlays."""
        name, images = images_sent(request)
        labels = request.array(LABELS)
        if OVERLAY_PNG not in request.wanted:
            return self._rendered(request, labels, name) | {OVERLAY_PNG: column([b""] * len(labels))}
        workers: Worker | Workers = self._workers
        if request.begun is not None:
            workers, decoded = request.begun
            decoded()
        with workers.calling(self._palette, labels, name, *images) as drawn:
            return self._rendered(request, labels, name) | {OVERLAY_PNG: column(drawn())}

    def _rendered(self, request: StepRequest, labels: npt.NDArray[np.uint8], name: str) -> Arrays:
        """Return everything but the overlays, at the size of the image of a tensor."""
        confidence, texts, used = map(request.array, (CONFIDENCE, IMAGE_FACTS, MODALITIES))
        facts = read_facts(texts)
        sizes = [one[name.removesuffix(IMAGE_SUFFIX)].size for one in facts]
        if used is None:
            streams = [[stream for stream in (RGB, DEPTH) if stream in one] for one in facts]
        else:
            streams = [one.decode().split("+") for one in used[:, 0]]
        rendered = [
            render(*sample, self._label_spec) for sample in zip(labels, confidence, sizes, facts, streams, strict=True)
        ]
        pngs, summaries = zip(*rendered, strict=True)
        certainty = [png_bytes(Image.fromarray(one)) for one in confidence]
        return {
            LABELS_PNG: column(pngs),
            SUMMARY: column(summaries),
            CONFIDENCE_PNG: column(certainty),
        }

    def close(self) -> None:
        """End the worker processes."""
        self._workers.close()
