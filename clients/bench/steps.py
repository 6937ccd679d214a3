"""Where the server spends its time: Triton's own statistics before and after a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PARTS = ("queue", "compute_input", "compute_infer", "compute_output")


@dataclass(frozen=True)
class ServerStep:
    """What one model did during a load.

    Attributes:
        model: its name.
        requests: how many it answered.
        executions: how many batches it ran for them.
        queue_ms: mean time that a request waited for it.
        compute_ms: mean time that a request was worked on, input and output copies included.
    """

    model: str
    requests: int
    executions: int
    queue_ms: float
    compute_ms: float


def steps_between(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], models: Iterable[str]
) -> list[ServerStep]:
    """Return what models did between two readings of the statistics, in the order given; idle ones are left out.

    Args:
        before: the first reading, see `Transport.statistics`.
        after: the second.
        models: names.
    """
    found = []
    for model in models:
        old, new = _totals(before, model), _totals(after, model)
        requests = new["requests"] - old["requests"]
        if requests > 0:
            spent = {part: (new[part] - old[part]) / requests / 1e6 for part in _PARTS}
            queue = spent.pop("queue")
            executions = new["executions"] - old["executions"]
            found.append(ServerStep(model, requests, executions, round(queue, 3), round(sum(spent.values()), 3)))
    return found


def _totals(statistics: Sequence[Mapping[str, Any]], model: str) -> dict[str, int]:
    """Return a model's counters, all versions together: requests, executions, and nanoseconds per part."""
    total = dict.fromkeys(("requests", "executions", *_PARTS), 0)
    for entry in statistics:
        if entry["name"] == model:
            total["executions"] += int(entry.get("execution_count", 0))
            inference = entry.get("inference_stats", {})
            total["requests"] += int(inference.get("success", {}).get("count", 0))
            for part in _PARTS:
                total[part] += int(inference.get(part, {}).get("ns", 0))
    return total
