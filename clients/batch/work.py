"""One item of a batch: its files become a request, and the tensors that come back a result that can save itself.

Whatever the task: a batch keeps every image that a pipeline gives as the PNG that it is, and the rest as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.batch.items import Item
from crosswire.clients.errors import InputError, InternalServerError
from crosswire.clients.files import write_whole
from crosswire.clients.inputs.depth import depth_image
from crosswire.clients.inputs.images import check_registered, colour_image, read_header, read_source
from crosswire.clients.inputs.tensors import bytes_tensor, depth_tensors
from crosswire.clients.session import Request, Timings
from crosswire.clients.tasks.result import single_value
from crosswire.clients.transport.base import Tensors
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import (
    CONFIDENCE_PNG,
    DEPTH,
    IMAGE_SUFFIX,
    OVERLAY_PNG,
    PNG_SUFFIX,
    RGB,
    SUMMARY,
)

FOR_PEOPLE = (OVERLAY_PNG, CONFIDENCE_PNG)


@dataclass(frozen=True, eq=False)
class ItemResult:
    """What a pipeline of any task made of one item; see `crosswire.clients.tasks.result.Result`.

    Attributes:
        pipeline: name of the pipeline that answered.
        images: PNG file by kind: `labels` for the tensor `labels_png`.
        size: width and height of the images, pixels, or None where there is no image.
        values: the other tensors as plain JSON types, by name.
        warnings: what the server found odd about the item.
        timings: where the time went.
    """

    pipeline: str
    images: Mapping[str, bytes]
    size: tuple[int, int] | None
    values: Mapping[str, Any]
    warnings: tuple[str, ...]
    timings: Timings

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<kind>/<stem>.png` per image, each whole or not at all; see `Result.save`."""
        return {
            kind: write_whole(Path(folder) / kind / f"{stem}.png", data, make_folder=True)
            for kind, data in self.images.items()
        }

    def figures(self) -> dict[str, Any]:
        """Return the size of the images and the other tensors as plain JSON types."""
        size = {} if self.size is None else dict(zip(("width", "height"), self.size, strict=True))
        return {**size, **self.values}

    def as_lines(self) -> list[str]:
        """Return the same, one value a line."""
        return [f"{name}: {value}" for name, value in self.figures().items()]


def item_request(
    item: Item, pipeline: PipelineDescription, outputs: Sequence[str], units: float | None
) -> Request[ItemResult]:
    """Read an item's files and prepare the request.

    Args:
        item: what to ask about.
        pipeline: whom to ask.
        outputs: the tensors wanted.
        units: what one metre counts in depth images, or None for the server's default; an item's own counts before.

    Raises:
        InputError: a file cannot be sent.
    """
    started = time.perf_counter()
    files, own = item.sent()
    inputs = _encoded(files, units if own is None else own)
    taken = 1e3 * (time.perf_counter() - started)
    return Request(pipeline.task, pipeline.name, inputs, tuple(outputs), (), _read, taken)


def wanted_outputs(pipeline: PipelineDescription, overlay: bool) -> tuple[str, ...]:
    """Return the outputs that a batch keeps: images, the overlay on request, and texts and numbers of fixed size."""
    left_out = FOR_PEOPLE if not overlay else (CONFIDENCE_PNG,)
    return tuple(
        tensor.name
        for tensor in pipeline.outputs
        if tensor.name not in left_out and (tensor.dtype == "BYTES" or len(tensor.shape) == 1)
    )


def _read(pipeline: PipelineDescription, tensors: Tensors, timings: Callable[[], Timings]) -> ItemResult:
    """Read tensors of any pipeline.

    Raises:
        InternalServerError: an image is none.
    """
    images, size = {}, None
    for name in (name for name in tensors if name.endswith(PNG_SUFFIX)):
        data = single_value(tensors[name], name)
        try:
            header = read_header(data, f"the server's {name}", "ask another server")
        except InputError as error:
            raise InternalServerError(str(error)) from error
        images[name.removesuffix(PNG_SUFFIX)], size = data, (header.image.width, header.image.height)
    values = {name: _plain(array) for name, array in tensors.items() if not name.endswith(PNG_SUFFIX)}
    summary = values.get(SUMMARY)
    warnings = tuple(map(str, (summary.get("warnings", ()) if isinstance(summary, dict) else ())))
    return ItemResult(pipeline.name, images, size, values, warnings, timings())


def _encoded(files: Mapping[str, Path | bytes], units: float | None) -> dict[str, NDArray[Any]]:
    """Return the tensors of every file, after a look at the headers of images, and the unit of depth."""
    images = {}
    sent: dict[str, NDArray[Any]] = {}
    for name, path in files.items():
        what = name.removesuffix(IMAGE_SUFFIX)
        if what == name:
            data, label = read_source(path, name)
            if not data:
                raise InputError(f"{label} is empty; send the whole file")
            sent[name] = bytes_tensor(data)
        elif what == DEPTH:
            depth = depth_image(path, units)
            images[what] = depth.image
            sent |= depth_tensors(depth)
        else:
            images[what] = colour_image(path)
            sent[name] = bytes_tensor(images[what].data)
    if RGB in images and DEPTH in images:
        check_registered(images[RGB], images[DEPTH])
    return sent


def _plain(array: NDArray[Any]) -> Any:
    """Return the one sample of a tensor as JSON: JSON text as what it says, other text as it is, numbers as numbers."""
    values = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in array[0].tolist()]
    plain = [_parsed(value) if isinstance(value, str) else value for value in values]
    return plain[0] if array.dtype == np.object_ and len(plain) == 1 else plain


def _parsed(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (dict, list)) else text
