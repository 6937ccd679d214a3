"""One request, prepared: what to send, what to ask for, and how the answer is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.errors import InputError, PipelineNotFoundError
from crosswire.clients.inputs.depth import check_units, depth_image
from crosswire.clients.inputs.images import Source, check_registered, colour_image
from crosswire.clients.inputs.tensors import bytes_tensor, depth_tensors
from crosswire.clients.tasks.segmentation import Segmentation, Timings, area_shares
from crosswire.clients.tasks.segmentation_answer import (
    SEGMENTATION_OUTPUTS,
    SegmentationResponse,
    read_segmentation,
)
from crosswire.contract import PipelineDescription
from crosswire.contract.wire_names import CONFIDENCE_PNG, DEPTH, IMAGE_SUFFIX, OVERLAY_PNG, RGB, RGB_IMAGE

Answer = TypeVar("Answer")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Request(Generic[Answer]):
    """A request to one pipeline.

    Attributes:
        task: what the pipeline must do.
        pipeline: its name, or None for the only one with this task.
        inputs: arrays by tensor name, batch axis included.
        needed: output tensors without which there is no answer.
        wished: output tensors that are asked for where the pipeline has them; None for every one that it has.
        read: makes the answer from the pipeline, the output tensors, and a function that returns the timings when
            everything is read.
        prepare_ms: how long the preparation took.
        direct: whether the inputs are those of the network itself, past the pipeline's stages.
    """

    task: str
    pipeline: str | None
    inputs: Arrays
    needed: tuple[str, ...]
    wished: tuple[str, ...] | None
    read: Callable[[PipelineDescription, Arrays, Callable[[], Timings]], Answer]
    prepare_ms: float
    direct: bool = False

    def outputs(self, pipeline: PipelineDescription) -> tuple[str, ...]:
        """Return the tensors to ask a pipeline for.

        Raises:
            InputError: the pipeline has no such input, or cannot do without one that was not given.
            PipelineUnknown: it lacks an output that is needed.
        """
        if not self.direct:
            check_inputs(pipeline, self.inputs)
        for tensor in () if self.direct else pipeline.inputs:
            if not tensor.optional and tensor.name not in self.inputs:
                name = tensor.name.removesuffix(IMAGE_SUFFIX)
                raise InputError(
                    f"{name}: pipeline {pipeline.name!r} cannot do without; send it, or name a pipeline whose network "
                    "was trained with it absent"
                )
        offered = {tensor.name for tensor in pipeline.outputs}
        if lacking := [name for name in self.needed if name not in offered]:
            raise PipelineNotFoundError(
                f"pipeline {pipeline.name!r} does not answer with {lacking[0]!r}; name another one"
            )
        wished = offered - set(self.needed) if self.wished is None else self.wished
        return (*self.needed, *(name for name in sorted(wished) if name in offered))


def check_inputs(pipeline: PipelineDescription, names: Iterable[str]) -> None:
    """Raise `InputError` unless a pipeline has all of some inputs, named by tensor or domain: `rgb_image` or `rgb`."""
    files = [tensor.name.removesuffix(IMAGE_SUFFIX) for tensor in pipeline.inputs if tensor.dtype == "BYTES"]
    known = {tensor.name for tensor in pipeline.inputs}.union(files)
    for name in names:
        if name not in known:
            asked = name.removesuffix(IMAGE_SUFFIX)
            raise InputError(f"pipeline {pipeline.name!r} has no input {asked!r}; it has: {', '.join(files)}")


def segmentation_request(
    rgb: Source | None = None,
    depth: Source | None = None,
    *,
    depth_units_per_metre: float | None = None,
    pipeline: str | None = None,
    overlay: bool = True,
    confidence: bool = True,
) -> Request[Segmentation]:
    """Prepare a pair of pictures; the arguments are those of `Predictor.segment`.

    Raises:
        InputError: a picture cannot be sent.
    """
    started = time.perf_counter()
    colour = None if rgb is None else colour_image(rgb)
    check_units(depth_units_per_metre)
    found = None if depth is None else depth_image(depth, depth_units_per_metre)
    if colour is not None:
        picture = colour
    elif found is not None:
        picture = found.picture
    else:
        raise InputError("neither rgb nor depth came; send one of them or both")
    inputs: dict[str, NDArray[Any]] = {}
    if colour is not None:
        inputs[RGB_IMAGE] = bytes_tensor(colour.data)
    if found is not None:
        check_registered(picture, found.picture)
        inputs |= depth_tensors(found)
    sent = (None if colour is None else colour.data, None if found is None else found.picture.data)

    def read(chosen: PipelineDescription, tensors: Arrays, timings: Callable[[], Timings]) -> Segmentation:
        answer = read_segmentation(tensors, len(chosen.classes), picture)
        shares = area_shares(answer.labels, chosen.classes)
        return _segmentation(chosen, sent, answer, shares, timings())

    wished = (*((OVERLAY_PNG,) if overlay else ()), *((CONFIDENCE_PNG,) if confidence else ()))
    taken = 1e3 * (time.perf_counter() - started)
    return Request("segmentation", pipeline, inputs, SEGMENTATION_OUTPUTS, wished, read, taken)


def _segmentation(
    pipeline: PipelineDescription,
    sent: tuple[bytes | None, bytes | None],
    answer: SegmentationResponse,
    shares: Mapping[str, float],
    timings: Timings,
) -> Segmentation:
    """Put an answer together with what is known about its pipeline."""
    return Segmentation(
        pipeline=pipeline.name,
        labels=answer.labels,
        class_names=pipeline.classes,
        palette=np.array(pipeline.palette, dtype=np.uint8),
        shares=shares,
        confidences=answer.confidences,
        mean_confidence=answer.mean_confidence,
        warnings=answer.warnings,
        summary=answer.summary,
        timings=timings,
        rgb=sent[0],
        depth=sent[1],
        streams=tuple(answer.summary.get("streams", [])) or tuple(_names(sent)),
        labels_png=answer.labels_png,
        overlay_png=answer.overlay_png,
        confidence=answer.confidence,
    )


def _names(sent: tuple[bytes | None, bytes | None]) -> list[str]:
    """Return which of colour and depth were sent."""
    return [name for name, data in zip((RGB, DEPTH), sent, strict=True) if data is not None]
