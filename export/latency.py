"""Timing runners side by side, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """Wall time of one runner.

    Attributes:
        median_ms: median of its calls.
        fastest_ms: shortest of them.
    """

    median_ms: float
    fastest_ms: float


def interleaved(runners: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Latency]:
    """Call every runner in turn, `repeats` rounds after one that is not counted.

    Args:
        runners: what is timed, by name.
        repeats: counted rounds, at least 1.
    """
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeats + 1):
        for name, runner in runners.items():
            start = time.perf_counter()
            runner()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: Latency(statistics.median(all_[1:]), min(all_[1:])) for name, all_ in times.items()}
