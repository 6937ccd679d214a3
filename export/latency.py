"""Timing runners side by side, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(runners: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Call every runner in turn, `repeats` rounds after one that is not counted.

    Args:
        runners: what is timed, by name.
        repeats: counted rounds, at least 1.

    Returns:
        median of the wall times of every runner, milliseconds.
    """
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeats + 1):
        for name, runner in runners.items():
            start = time.perf_counter()
            runner()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(all_[1:]) for name, all_ in times.items()}
