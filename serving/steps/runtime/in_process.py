"""All steps of a pipeline in one process: nothing is handed from one to the next but names of arrays."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from crosswire.serving.repository.published import INSTANCE, NETWORK_CODE, STEPS_PARAMETER
from crosswire.serving.steps.runtime import spans
from crosswire.serving.steps.runtime.step import Arrays, Step, StepRequest
from crosswire.serving.steps.runtime.step_metrics import StepMetrics, samples_in

_SPARE = 2  # requests that decode or render while others are in the network


class Counting(Protocol):
    """Counts what one step answered, and what it did not; safe to use from threads."""

    def answered(self, samples: Sequence[int], seconds: float) -> None:
        """Count one run of the step, of requests of so many samples."""

    def failed(self, seconds: float) -> None:
        """Count a request that the step refused."""


@dataclass(frozen=True)
class _Inner:
    """One step inside.

    Attributes:
        name: the name that it has in an ensemble.
        step: the step.
        inputs: names of its inputs.
        outputs: names of its outputs in the pipeline by its own names for them.
        metrics: counts its answers under its name.
    """

    name: str
    step: Step
    inputs: frozenset[str]
    outputs: dict[str, str]
    metrics: Counting

    def run(self, request: StepRequest, *, alone: bool = False) -> Arrays:
        """Answer one request, count it and trace it.

        Args:
            request: what the request brings and wants.
            alone: whether the request is for this step alone; then Triton counts its failure under the same name.
        """
        began = time.monotonic()
        try:
            with spans.inside(self.name):
                answer = self.step.run(request)
        except Exception:
            if not alone:
                self.metrics.failed(time.monotonic() - began)
            raise
        self.metrics.answered([samples_in(answer)], time.monotonic() - began)
        return answer


class InProcessPipeline(Step):
    """The steps of a pipeline, one after the other, or the network alone for a request that brings its tensors."""

    def __init__(self, config: dict[str, Any], folder: Path, counting: Callable[[str], Counting] = StepMetrics) -> None:
        """Make every step; each has the configuration that it would have as a model of its own.

        Args:
            config: of the model that holds all steps.
            folder: with its graphs.
            counting: what counts the answers of a step, by its name; Triton's own page, unless told otherwise.
        """
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._inner = []
        for one in json.loads(config["parameters"][STEPS_PARAMETER]["string_value"]):
            module, _, name = one["code"].partition(":")
            make = getattr(importlib.import_module(f"crosswire.serving.steps.{module}"), name)
            own = {**one["config"], INSTANCE: config.get(INSTANCE, "")}
            inputs = frozenset(tensor["name"] for tensor in own["input"])
            outputs = {tensor["name"]: one["renamed"].get(tensor["name"], tensor["name"]) for tensor in own["output"]}
            self._inner.append(_Inner(own["name"], make(own, folder), inputs, outputs, counting(own["name"])))
            if one["code"] == NETWORK_CODE:
                self._network = self._inner[-1]

    def run(self, request: StepRequest) -> Arrays:
        """Answer one request; a step whose outputs nobody needs is left out.

        Raises:
            MediaError: a step refuses what it gets.
            LateError: its time is over before a step begins.
        """
        if any(request.array(name) is not None for name in self._network.inputs):
            return self._network.run(request, alone=True)
        found: Arrays = {}

        def array(name: str) -> Any:
            return found[name] if name in found else request.array(name)

        needed = self._needed(request.wanted)
        begun: dict[int, Any] = {}
        for inner, wanted in needed:
            if inner is self._network:
                begun = {id(one): one.step.foresee(replace(request, wanted=its)) for one, its in needed}
            request.check_time()
            answer = inner.run(replace(request, array=array, wanted=wanted, begun=begun.get(id(inner))))
            found |= {inner.outputs[name]: value for name, value in answer.items()}
        return {name: found[name] for name in self._outputs if name in request.wanted}

    def _needed(self, wanted: frozenset[str]) -> list[tuple[_Inner, frozenset[str]]]:
        """Return the steps that some outputs need, in order, each with what is needed of it."""
        chosen = []
        for inner in reversed(self._inner):
            if asked := frozenset(own for own, name in inner.outputs.items() if name in wanted):
                chosen.append((inner, asked))
                wanted |= inner.inputs
        return chosen[::-1]

    def at_once(self) -> int:
        """Return how many requests to answer at a time."""
        return max(inner.step.at_once() for inner in self._inner) + _SPARE

    def close(self) -> None:
        """End what the steps started."""
        for inner in self._inner:
            inner.step.close()
