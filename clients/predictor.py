"""The predictor: two pictures in, labels out.

Example:
    >>> with Predictor("grpc://127.0.0.1:8001") as predictor:
    ...     result = predictor.segment("rgb.jpg", "depth.png")
    >>> result.shares["floor"]
    0.31
"""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.address import Address
from clients.answers import SEGMENTATION_OUTPUTS, SegmentationAnswer, read_segmentation
from clients.depth import DepthPicture, depth_picture
from clients.errors import CrosswireError, InputError, PipelineUnknown
from clients.pictures import Picture, Source, check_registered, colour_picture
from clients.pipelines import Pipeline, is_pipeline, read_pipeline
from clients.results import Segmentation, Timings, area_shares
from clients.transport import Transport, open_transport

DEADLINE_S = 60.0


class Predictor:
    """Asks the pipelines of one server; may be shared between threads.

    Names, classes and palettes are learnt from the server with the first request to a pipeline and kept; make a new
    predictor after a server was given another network under the same name.
    """

    def __init__(self, url: str, *, deadline_s: float = DEADLINE_S) -> None:
        """Remember the server; nothing is sent before the first question.

        Args:
            url: `grpc://host:port` or `http://host:port`.
            deadline_s: seconds that one request may take.

        Raises:
            AddressError: the address cannot be understood.
            InputError: the deadline is not above 0.
        """
        if not (math.isfinite(deadline_s) and deadline_s > 0):
            raise InputError(f"deadline is {deadline_s} s; send a number of seconds above 0")
        self._address = Address.parse(url)
        self._deadline_s = deadline_s
        self._known: dict[tuple[str | None, str], Pipeline] = {}
        self._transport: Transport | None = open_transport(self._address)

    def __enter__(self) -> Predictor:
        """Return the predictor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def pipelines(self) -> tuple[Pipeline, ...]:
        """Return every pipeline that the server offers now, sorted by name.

        Raises:
            ServerError: the server cannot be asked.
        """
        line = self._line()
        configs = [line.config(name, self._deadline_s) for name in line.models(self._deadline_s)]
        return tuple(read_pipeline(config) for config in configs if is_pipeline(config))

    def pipeline(self, name: str | None = None, *, task: str = "segmentation") -> Pipeline:
        """Return one pipeline.

        Args:
            name: its name, or None for the only one with this task.
            task: what it must do.

        Raises:
            PipelineUnknown: there is none, it has another task, or there are several and no name.
            ServerError: the server cannot be asked.
        """
        known = self._known.get((name, task))
        if known is None:
            known = self._find(name, task)
            if known.task != task:
                raise PipelineUnknown(f"pipeline {known.name!r} is for {known.task}; name one for {task}")
            self._known[name, task] = known
        return known

    def segment(
        self, rgb: Source, depth: Source, *, depth_units_per_metre: float | None = None, pipeline: str | None = None
    ) -> Segmentation:
        """Label every pixel of one pair of pictures.

        Args:
            rgb: path or bytes of a JPEG or PNG, a Pillow image, or an array uint8 [H, W, 3].
            depth: path or bytes of a 16-bit PNG, a Pillow image (I;16, I or F), or an array uint16 [H, W] in units of
                `depth_units_per_metre` or floating point [H, W] in metres; 0 is no reading. It must be registered to
                the colour picture: same size, or the same scaled evenly.
            depth_units_per_metre: what one metre counts in integer depth; None means 1000 (millimetres).
            pipeline: name of the pipeline, or None for the only segmentation pipeline of the server.

        Returns:
            Labels at the size of the colour picture, with shares, summary and overlay.

        Raises:
            InputError: a picture cannot be sent; the server was not asked.
            ServerError: the server was asked and there is no result.
        """
        started = time.perf_counter()
        colour = colour_picture(rgb)
        inputs = _segmentation_inputs(colour, depth_picture(depth, depth_units_per_metre))
        prepared = time.perf_counter()
        chosen = self.pipeline(pipeline)
        asked = time.perf_counter()
        tensors = self._line().infer(chosen.name, inputs, SEGMENTATION_OUTPUTS, self._deadline_s)
        answered = time.perf_counter()
        answer = read_segmentation(tensors, len(chosen.classes), colour)
        done = time.perf_counter()
        timings = Timings(
            prepare_ms=1e3 * (prepared - started),
            request_ms=1e3 * (answered - asked),
            read_ms=1e3 * (done - answered),
            total_ms=1e3 * (done - started),
        )
        return _segmentation(chosen, colour, answer, timings)

    def _line(self) -> Transport:
        if self._transport is None:
            raise CrosswireError("this predictor was closed; make a new one")
        return self._transport

    def _find(self, name: str | None, task: str) -> Pipeline:
        """Ask the server for the named pipeline, or for the only one with a task."""
        line = self._line()
        if name is not None and name in line.models(self._deadline_s):
            return read_pipeline(line.config(name, self._deadline_s))
        fitting = [pipeline for pipeline in self.pipelines() if pipeline.task == task]
        offer = ", ".join(pipeline.name for pipeline in fitting)
        if not fitting:
            raise PipelineUnknown(f"the server at {self._address} offers no {task} pipeline; start it with one")
        if name is not None:
            raise PipelineUnknown(f"the server at {self._address} has no pipeline {name!r}; for {task} it has: {offer}")
        if len(fitting) > 1:
            raise PipelineUnknown(f"the server at {self._address} has several {task} pipelines: {offer}; name one")
        return fitting[0]


def _segmentation_inputs(colour: Picture, depth: DepthPicture) -> dict[str, NDArray[Any]]:
    """Return the tensors of a segmentation request with one sample."""
    check_registered(colour, depth.picture)
    inputs: dict[str, NDArray[Any]] = {
        "rgb_image": np.array([[colour.data]], dtype=np.object_),
        "depth_image": np.array([[depth.picture.data]], dtype=np.object_),
    }
    if depth.units_per_metre is not None:
        inputs["depth_units_per_metre"] = np.array([[depth.units_per_metre]], dtype=np.float32)
    return inputs


def _segmentation(pipeline: Pipeline, rgb: Picture, answer: SegmentationAnswer, timings: Timings) -> Segmentation:
    """Put an answer together with what is known about its pipeline."""
    return Segmentation(
        pipeline=pipeline.name,
        labels=answer.labels,
        class_names=pipeline.classes,
        palette=np.array(pipeline.palette, dtype=np.uint8),
        shares=area_shares(answer.labels, pipeline.classes),
        confidences=answer.confidences,
        mean_confidence=answer.mean_confidence,
        warnings=answer.warnings,
        summary=answer.summary,
        timings=timings,
        rgb=rgb.data,
        labels_png=answer.labels_png,
        overlay_png=answer.overlay_png,
    )
