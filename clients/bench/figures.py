"""From single requests to figures."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PERCENTILES = (50, 90, 95, 99)
BEYOND = 6.6
"""Samples that must be expected beyond a percentile; MLPerf's early stopping asks for 64 at p90 and 662 at p99."""


@dataclass(frozen=True)
class Shot:
    """One request; moments in seconds on the event loop's clock.

    Attributes:
        due: when it should have been sent; in a closed loop, when it was.
        sent: when it was sent.
        ended: when its answer or error was there.
        error: name of the error, or an empty text.
    """

    due: float
    sent: float
    ended: float
    error: str = ""

    @property
    def latency_ms(self) -> float:
        """From the moment that it was due."""
        return 1e3 * (self.ended - self.due)


@dataclass(frozen=True)
class LoadRun:
    """One turn of a load.

    Attributes:
        shots: all requests, also those that ended after the turn.
        began: start of the turn.
        seconds: its length.
        cpu_seconds: processor time of this process during the turn.
    """

    shots: tuple[Shot, ...]
    began: float
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answers within the turn, per second."""
        end = self.began + self.seconds
        return sum(not shot.error and shot.ended <= end for shot in self.shots) / self.seconds


def latencies_ms(runs: Sequence[LoadRun]) -> list[float]:
    """Return the latencies of all answered requests, sorted."""
    return sorted(shot.latency_ms for run in runs for shot in run.shots if not shot.error)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that a share, 0..1, of sorted samples does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def supported(percent: int, samples: int) -> bool:
    """Say whether so many samples support a percentile."""
    return samples * (100 - percent) / 100 >= BEYOND


def percentiles(ordered: Sequence[float]) -> dict[str, float | None]:
    """Return the percentiles of sorted samples; None where there are too few."""
    return {
        f"p{percent}": round(quantile(ordered, percent / 100), 2) if supported(percent, len(ordered)) else None
        for percent in PERCENTILES
    }


def figures(runs: Sequence[LoadRun], cores: int) -> dict[str, Any]:
    """Return what several turns of one load say together.

    Args:
        runs: the turns.
        cores: processors of this machine.

    Returns:
        `per_second` (median over turns) with `spread` (smallest, largest), `samples`, `errors` by name, `latency_ms`
        (percentiles over all turns), `median_spread_ms` (smallest and largest median of a turn), `late_p99_ms` (how
        late requests were sent), `client_cpu` (share of one core) and `client_cpu_of_machine`.
    """
    rates = [run.per_second for run in runs]
    times = latencies_ms(runs)
    medians = [statistics.median(own) for run in runs if (own := latencies_ms([run]))]
    late = sorted(1e3 * (shot.sent - shot.due) for run in runs for shot in run.shots)
    wall = sum(run.seconds for run in runs)
    cpu = sum(run.cpu_seconds for run in runs) / wall
    return {
        "per_second": round(statistics.median(rates), 3),
        "spread": [round(min(rates), 3), round(max(rates), 3)],
        "turns": len(runs),
        "samples": len(times),
        "errors": dict(Counter(shot.error for run in runs for shot in run.shots if shot.error)),
        "latency_ms": percentiles(times),
        "median_spread_ms": [round(min(medians), 2), round(max(medians), 2)] if medians else None,
        "late_p99_ms": round(quantile(late, 0.99), 2) if late else None,
        "client_cpu": round(cpu, 3),
        "client_cpu_of_machine": round(cpu / cores, 3),
    }
