"""Pictures of some domains in, pictures of others out: the question, and what a pipeline answered."""

from __future__ import annotations

import io
import json
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
from crosswire.clients.files import prepare_folder, write_whole
from crosswire.clients.inputs.depth import check_units, depth_image
from crosswire.clients.inputs.images import Source, colour_image
from crosswire.clients.inputs.tensors import bytes_tensor, depth_tensors
from crosswire.clients.tasks.request import Arrays, Request
from crosswire.clients.tasks.segmentation import Timings
from crosswire.clients.tasks.segmentation_answer import only, read_summary
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE, DEPTH, IMAGE_SUFFIX, PNG_SUFFIX, SUMMARY


@dataclass(frozen=True, eq=False)
class Translation:
    """Pictures that a network made of others.

    Attributes:
        pipeline: name of the pipeline that answered.
        streams: domains that were used.
        warnings: what the server found odd about the pictures.
        summary: everything that the server said, as it came.
        timings: where the time went.
        pictures: PNG file per output domain, at the size of the first picture sent; depth in millimetres of 16 bits.
    """

    pipeline: str
    streams: tuple[str, ...]
    warnings: tuple[str, ...]
    summary: Mapping[str, Any]
    timings: Timings
    pictures: Mapping[str, bytes] = field(repr=False)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the area per class name, 0..1, largest first; empty where the network makes no labels."""
        return {str(entry["name"]): float(entry["share"]) for entry in self.summary.get("classes", ())}

    def picture(self, domain: str) -> Image.Image:
        """Return one output as a Pillow image: RGB, L, P with class indices, or I;16 with millimetres.

        Raises:
            InputError: there is no such output.
        """
        if domain not in self.pictures:
            raise InputError(f"there is no output {domain!r}; {self.pipeline} gives {', '.join(self.pictures)}")
        return Image.open(io.BytesIO(self.pictures[domain]))

    def metres(self, domain: str = DEPTH) -> NDArray[np.float32]:
        """Return a depth output in metres, float32 [H, W], 0 = no reading; raises like `picture`."""
        return np.asarray(self.picture(domain)).astype(np.float32) / np.float32(DEFAULT_UNITS_PER_METRE)

    def save(self, folder: str | os.PathLike[str], stem: str) -> dict[str, Path]:
        """Write `<stem>.<domain>.png` and `<stem>.summary.json`, each whole or not at all; returns them by domain.

        Raises:
            OutputError: the folder cannot be made or written to.
        """
        place = prepare_folder(folder)
        files = {name: write_whole(place / f"{stem}.{name}.png", data) for name, data in self.pictures.items()}
        text = json.dumps(self.summary, indent=1, ensure_ascii=False) + "\n"
        return {**files, "summary": write_whole(place / f"{stem}.summary.json", text.encode())}


def translation_request(
    inputs: Mapping[str, Source], *, depth_units_per_metre: float | None = None, pipeline: str | None = None
) -> Request[Translation]:
    """Prepare pictures by domain; the arguments are those of `Predictor.translate`.

    Raises:
        InputError: a picture cannot be sent, or there is none.
    """
    started = time.perf_counter()
    if not inputs:
        raise InputError("no picture came; send one per input domain of the pipeline")
    check_units(depth_units_per_metre)
    tensors: dict[str, NDArray[Any]] = {}
    for domain, source in inputs.items():
        if domain == DEPTH:
            tensors |= depth_tensors(depth_image(source, depth_units_per_metre))
        else:
            tensors[f"{domain}{IMAGE_SUFFIX}"] = bytes_tensor(colour_image(_shown(source)).data)

    def read(chosen: PipelineDescription, answers: Arrays, timings: Callable[[], Timings]) -> Translation:
        pictures = {
            name.removesuffix(PNG_SUFFIX): only(tensor, name)
            for name, tensor in answers.items()
            if name.endswith(PNG_SUFFIX)
        }
        said = read_summary(only(answers[SUMMARY], SUMMARY))
        streams, warnings = (tuple(map(str, said.get(key, ()))) for key in ("streams", "warnings"))
        return Translation(chosen.name, streams, warnings, said, timings(), pictures)

    taken = 1e3 * (time.perf_counter() - started)
    return Request("translation", pipeline, tensors, (SUMMARY,), None, read, taken)


def _shown(source: Source) -> Source:
    """Return a grey array, uint8 [H, W], as the picture that it is, and anything else as it came."""
    grey = isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.ndim == 2 and source.size
    return Image.fromarray(np.ascontiguousarray(source)) if grey else source
