"""One item of a batch: files are read, the pipeline is asked, its answer is written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.batch.items import Item
from crosswire.clients.errors import InputError, InternalServerError
from crosswire.clients.files import write_whole
from crosswire.clients.inputs.depth import depth_image
from crosswire.clients.inputs.images import check_registered, colour_image, read_header, read_source
from crosswire.clients.inputs.tensors import bytes_tensor, units_tensor
from crosswire.clients.tasks.request import Arrays, Request
from crosswire.clients.tasks.segmentation import Timings
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CONFIDENCE_PNG, DEPTH, DEPTH_UNITS, IMAGE_SUFFIX, OVERLAY_PNG, PNG_SUFFIX, RGB

FOR_PEOPLE = (OVERLAY_PNG, CONFIDENCE_PNG)


def item_request(
    item: Item, pipeline: PipelineDescription, outputs: Sequence[str], units: float | None
) -> Request[Arrays]:
    """Read an item's files and prepare the question; the answer is the bare tensors.

    Args:
        item: what to ask about.
        pipeline: whom to ask.
        outputs: the tensors wanted.
        units: what one metre counts in depth pictures, or None for the server's default.

    Raises:
        InputError: a file cannot be sent.
    """
    started = time.perf_counter()
    if item.problem:
        raise InputError(item.problem)
    inputs: dict[str, NDArray[Any]] = {name: bytes_tensor(data) for name, data in _encoded(item.files).items()}
    if units is not None and any(tensor.name == DEPTH_UNITS for tensor in pipeline.inputs):
        inputs[DEPTH_UNITS] = units_tensor(units)

    def read(_: PipelineDescription, tensors: Arrays, timings: Callable[[], Timings]) -> Arrays:
        return tensors

    taken = 1e3 * (time.perf_counter() - started)
    return Request(pipeline.task, pipeline.name, inputs, tuple(outputs), (), read, taken)


def wanted_outputs(pipeline: PipelineDescription, overlay: bool) -> tuple[str, ...]:
    """Return the outputs that a batch keeps: pictures, the overlay on request, and texts and numbers of fixed size."""
    left_out = FOR_PEOPLE if not overlay else (CONFIDENCE_PNG,)
    return tuple(
        tensor.name
        for tensor in pipeline.outputs
        if tensor.name not in left_out and (tensor.dtype == "BYTES" or len(tensor.shape) == 1)
    )


def keep(item: Item, tensors: Arrays, folder: Path) -> dict[str, Any]:
    """Write an item's pictures, each whole or not at all, and return its line of `results.jsonl`.

    Raises:
        OutputError: a file cannot be written.
        ServerFailed: a picture is none.
    """
    said: dict[str, Any] = {"stem": item.stem, "files": {}}
    for name, array in tensors.items():
        if name.endswith(PNG_SUFFIX):
            kind = name.removesuffix(PNG_SUFFIX)
            data = bytes(array.reshape(-1)[0])
            try:
                header = read_header(data, f"the server's {name}", "ask another server")
            except InputError as error:
                raise InternalServerError(str(error)) from error
            write_whole(folder / kind / f"{item.stem}.png", data)
            said["files"][kind] = f"{kind}/{item.stem}.png"
            said["width"], said["height"] = header.picture.width, header.picture.height
        else:
            said[name] = _plain(array)
    return said


def _encoded(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the bytes of every file, after a look at the headers of pictures."""
    pictures = {}
    sent = {}
    for name, path in files.items():
        what = name.removesuffix(IMAGE_SUFFIX)
        if what == name:
            sent[name] = read_source(path, name)[0]
            continue
        pictures[what] = depth_image(path).picture if what == DEPTH else colour_image(path)
        sent[name] = pictures[what].data
    if RGB in pictures and DEPTH in pictures:
        check_registered(pictures[RGB], pictures[DEPTH])
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
