"""Translation: images of some domains in, images of others out; the request, and its result."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.cameras import Camera, check_camera, check_stored, read_camera
from crosswire.clients.inputs.depth import check_units, depth_image
from crosswire.clients.inputs.images import EncodedImage, Source, colour_image
from crosswire.clients.inputs.tensors import bytes_tensor, camera_tensors, depth_tensors
from crosswire.clients.session import Request, Timings
from crosswire.clients.tasks.result import read_summary, registered_lines, save_files, share_lines, single_value
from crosswire.clients.transport.base import Tensors
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE, DEPTH, IMAGE_SUFFIX, PNG_SUFFIX, RGB, SUMMARY

TASK = "translation"


@dataclass(frozen=True, eq=False)
class Translation:
    """Images that a network made of others.

    Attributes:
        pipeline: name of the pipeline that answered.
        streams: domains that were used.
        warnings: what the server found odd about the images.
        summary: everything that the server said, as it came.
        timings: where the time went.
        images: PNG file per output domain, at the size of the first image sent; depth in millimetres of 16 bits.
    """

    pipeline: str
    streams: tuple[str, ...]
    warnings: tuple[str, ...]
    summary: Mapping[str, Any]
    timings: Timings
    images: Mapping[str, bytes] = field(repr=False)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the area per class name, 0..1, largest first; empty where the network makes no labels."""
        return {str(entry["name"]): float(entry["share"]) for entry in self.summary.get("classes", ())}

    def image(self, domain: str) -> Image.Image:
        """Return one output as a Pillow image: RGB, L, P with class indices, or I;16 with millimetres.

        Raises:
            InputError: there is no such output.
        """
        if domain not in self.images:
            raise InputError(f"there is no output {domain!r}; {self.pipeline} gives {', '.join(self.images)}")
        return Image.open(io.BytesIO(self.images[domain]))

    def metres(self, domain: str = DEPTH) -> NDArray[np.float32]:
        """Return a depth output in metres, float32 [H, W], 0 = no reading; raises like `image`."""
        return np.asarray(self.image(domain)).astype(np.float32) / np.float32(DEFAULT_UNITS_PER_METRE)

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<stem>.<domain>.png` per output and `<stem>.summary.json`; see `Result.save`."""
        files = {name: (f"{name}.png", data) for name, data in self.images.items()}
        return save_files(folder, stem, {**files, "summary": ("summary.json", self.summary)})

    def figures(self) -> dict[str, Any]:
        """Return streams and shares as plain JSON types."""
        return {"streams": self.streams, "shares": self.shares}

    def as_lines(self) -> list[str]:
        """Return the shares of classes, and what was made from what."""
        made = f"made {', '.join(self.images)} from {' and '.join(self.streams)}"
        return [*share_lines(self.shares.items()), made, *registered_lines(self.summary)]


def translation_request(
    inputs: Mapping[str, Source],
    *,
    depth_units_per_metre: float | None = None,
    camera: Camera | None = None,
    pipeline: str | None = None,
) -> Request[Translation]:
    """Prepare images by domain; the arguments are those of `Predictor.translate`.

    Raises:
        InputError: an image or the camera cannot be sent, or there is no image.
    """
    started = time.perf_counter()
    if not inputs:
        raise InputError("no image came; send one per input domain of the pipeline")
    check_units(depth_units_per_metre)
    lenses = read_camera(camera)
    check_stored(() if lenses is None else inputs.values())
    tensors: dict[str, NDArray[Any]] = {}
    images: dict[str, EncodedImage] = {}
    for domain, source in inputs.items():
        if domain == DEPTH:
            found = depth_image(source, depth_units_per_metre)
            images[domain] = found.image
            tensors |= depth_tensors(found)
        else:
            images[domain] = colour_image(_shown(source))
            tensors[f"{domain}{IMAGE_SUFFIX}"] = bytes_tensor(images[domain].data)
    if lenses is not None:
        check_camera(lenses, images.get(RGB), images.get(DEPTH))
        tensors |= camera_tensors(lenses)
    taken = 1e3 * (time.perf_counter() - started)
    return Request(TASK, pipeline, tensors, needed=(SUMMARY,), wished=None, read=_read, prepare_ms=taken)


def _read(pipeline: PipelineDescription, tensors: Tensors, timings: Callable[[], Timings]) -> Translation:
    """Read the result of a translation pipeline."""
    images = {
        name.removesuffix(PNG_SUFFIX): single_value(tensor, name)
        for name, tensor in tensors.items()
        if name.endswith(PNG_SUFFIX)
    }
    summary = read_summary(single_value(tensors[SUMMARY], SUMMARY))
    streams, warnings = (tuple(map(str, summary.get(key, ()))) for key in ("streams", "warnings"))
    return Translation(pipeline.name, streams, warnings, summary, timings(), images)


def _shown(source: Source) -> Source:
    """Return a grey array, uint8 [H, W], as the image that it is, and anything else as it came."""
    grey = isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.ndim == 2 and source.size
    return Image.fromarray(np.ascontiguousarray(source)) if grey else source
