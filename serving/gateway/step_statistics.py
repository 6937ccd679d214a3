"""Triton's statistics and metrics, put right by what steps say of themselves.

Triton 2.51 takes a request for answered when it was handed over, so its times of a step end there and an error that
comes later is none; and a failure of an ensemble it counts twice, once when it is sent and once when the request ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from tritonclient.grpc.service_pb2 import ModelStatistics

_SAMPLE = re.compile(rb'^crosswire_step_([a-z_]+)_total\{model="([^"]+)"\} (\S+)$', re.MULTILINE)
_TRITONS = re.compile(
    rb"^nv_inference_(request_success|request_failure|count|exec_count)\{([^}]*)\} (\S+)$", re.MULTILINE
)
_LABEL = re.compile(rb'([a-z_]+)="([^"]*)"')
_COUNTS, _TIMES = ("requests", "samples", "executions", "failures"), ("seconds", "failed_seconds")
_LATER, _ENSEMBLE = b"BACKEND", b"OTHER"  # reasons under which Triton counts failures of steps and of ensembles


@dataclass(frozen=True)
class StepTime:
    """What one step did so far, up to a moment ago.

    Attributes:
        requests: how many it answered.
        samples: how many samples these had.
        executions: how often it ran for them.
        seconds: time that it spent on them.
        failures: how many requests have no answer, beside those whose failure Triton knows of.
        failed_seconds: time that it spent on those.
    """

    requests: int
    samples: int
    executions: int
    seconds: float
    failures: int
    failed_seconds: float

    @classmethod
    def of(cls, told: Mapping[str, float]) -> StepTime:
        """Take the numbers by their names, which Prometheus has as floating point."""
        requests, samples, executions, failures = (round(told[name]) for name in _COUNTS)
        return cls(requests, samples, executions, told["seconds"], failures, told["failed_seconds"])


def step_times(metrics: bytes) -> dict[str, StepTime]:
    """Read Triton's Prometheus text; returns the steps by name, without those that have just begun to tell."""
    found: dict[str, dict[str, float]] = {}
    for kind, model, value in _SAMPLE.findall(metrics):
        found.setdefault(model.decode(), {})[kind.decode()] = float(value)
    return {name: StepTime.of(one) for name, one in found.items() if one.keys() >= {*_COUNTS, *_TIMES}}


def set_step_times(model: ModelStatistics, steps: Mapping[str, StepTime], ensembles: Collection[str]) -> None:
    """Put what a step did itself into the statistics of its model, and the whole time into those of an ensemble."""
    stats = model.inference_stats
    rest = stats.queue.ns + stats.compute_input.ns + stats.compute_output.ns
    if model.name in ensembles:
        stats.fail.count, stats.fail.ns = _once(stats.fail.count), _once(stats.fail.ns)
    if step := steps.get(model.name):
        model.inference_count, model.execution_count = step.samples, step.executions
        stats.success.count = stats.compute_infer.count = step.requests
        stats.compute_infer.ns = round(step.seconds * 1e9)
        stats.success.ns = rest + stats.compute_infer.ns
        stats.fail.count += step.failures
        stats.fail.ns += round(step.failed_seconds * 1e9)
        for part in (stats.queue, stats.compute_input, stats.compute_output):
            part.count = step.requests  # perf_analyzer aborts where these differ, and Triton counts them at once
    elif model.name in ensembles:
        stats.compute_infer.ns = max(0, stats.success.ns - rest)


def with_step_times(metrics: bytes, ensembles: Collection[str]) -> bytes:
    """Return Triton's Prometheus text with the counts that `set_step_times` puts into statistics."""
    return _TRITONS.sub(partial(_corrected, step_times(metrics), ensembles), metrics)


def _corrected(steps: Mapping[str, StepTime], ensembles: Collection[str], line: re.Match[bytes]) -> bytes:
    """Return one of Triton's lines with the right number."""
    labels = dict(_LABEL.findall(line[2]))
    name = labels.get(b"model", b"").decode()
    value, step = round(float(line[3])), steps.get(name)
    if line[1] == b"request_failure":
        if name in ensembles and labels.get(b"reason") == _ENSEMBLE:
            value = _once(value)
        if step and labels.get(b"reason") == _LATER:
            value += step.failures
    elif step:
        value = {b"request_success": step.requests, b"count": step.samples, b"exec_count": step.executions}[line[1]]
    return b"nv_inference_%b{%b} %d" % (line[1], line[2], value)


def _once(twice: int) -> int:
    """Return half of what Triton counts twice; one that it has counted once so far is one, too."""
    return (twice + 1) // 2
