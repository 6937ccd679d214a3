"""Triton's statistics with what steps say of themselves: Triton's own timing ends where a request is handed over."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tritonclient.grpc.service_pb2 import ModelStatistics

_SAMPLE = re.compile(rb'^crosswire_step_(requests|seconds)_total\{model="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class StepTime:
    """What one step did so far, up to a moment ago.

    Attributes:
        requests: how many it answered.
        seconds: time that it spent on them.
    """

    requests: int
    seconds: float


def step_times(metrics: bytes) -> dict[str, StepTime]:
    """Read Triton's Prometheus text; returns the steps by name, without those that have just begun to tell."""
    found: dict[str, dict[bytes, float]] = {}
    for kind, model, value in _SAMPLE.findall(metrics):
        found.setdefault(model.decode(), {})[kind] = float(value)
    whole = {name: one for name, one in found.items() if len(one) == 2}
    return {name: StepTime(round(one[b"requests"]), one[b"seconds"]) for name, one in whole.items()}


def set_step_times(model: ModelStatistics, steps: Mapping[str, StepTime], ensembles: Collection[str]) -> None:
    """Put a step's own time into the statistics of its model, and the whole time into those of an ensemble."""
    stats = model.inference_stats
    rest = stats.queue.ns + stats.compute_input.ns + stats.compute_output.ns
    if step := steps.get(model.name):
        model.inference_count = max(model.inference_count, step.requests)
        model.execution_count = max(model.execution_count, step.requests)
        stats.success.count = stats.compute_infer.count = step.requests
        stats.compute_infer.ns = round(step.seconds * 1e9)
        stats.success.ns = rest + stats.compute_infer.ns
    elif model.name in ensembles:
        stats.compute_infer.ns = max(0, stats.success.ns - rest)
