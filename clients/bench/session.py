"""One session: warm-up, how many clients fill the server, capacity, then the open loads, in turns over all targets."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import statistics
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from crosswire.clients.bench.figures import LoadRun, figures, latencies_ms, quantile
from crosswire.clients.bench.load import Target, closed_loop, open_loop
from crosswire.clients.bench.steps import steps_between
from crosswire.clients.errors import InputError, InternalServerError

LOADS = (0.5, 0.7, 0.9)
FEWEST_TURNS = 5
_CURVE = tuple(share / 200 for share in range(201))
_NEAR_BEST = 0.98
_PUBLISHED_S = 1.0  # steps publish what they count within 0.4 s of quiet, later where processors are busy


@dataclass(frozen=True)
class Plan:
    """How long everything takes.

    Attributes:
        seconds: length of one turn.
        turns: repetitions of every load; fewer than 5 say little about the spread.
        warm_up_s: load before anything is measured.
        clients: numbers of clients that are tried for the capacity.
        loads: shares of the capacity for the open loop.
    """

    seconds: float = 10.0
    turns: int = FEWEST_TURNS
    warm_up_s: float = 5.0
    clients: tuple[int, ...] = (1, 2, 4, 8)
    loads: tuple[float, ...] = LOADS

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if not (self.seconds > 0 and self.turns > 0 and self.warm_up_s >= 0):
            raise InputError(f"{self.turns} turns of {self.seconds:g} s make no benchmark; send numbers above 0")
        if not self.clients or min(self.clients) < 1 or not all(0 < load < 1 for load in self.loads):
            raise InputError("clients must be 1 or more, loads between 0 and 1")


Tell = Callable[[str], None]


async def measure(targets: Sequence[Target], plan: Plan, tell: Tell) -> dict[str, Any]:
    """Measure one target, or several in turns.

    Args:
        targets: what to load.
        plan: how long.
        tell: gets a line per phase.

    Returns:
        All figures, ready for JSON: `targets` with `clients`, `sweep`, `capacity`, `steps`, `open`; for two targets
        `compare` too.

    Raises:
        InternalServerError: a target answered no request of its warm-up.
    """
    cores = os.cpu_count() or 1
    tell(f"warm-up, {plan.warm_up_s:g} s")
    for target in targets:
        await _warm(target, plan)
    said: list[dict[str, Any]] = [{"name": one.name, "url": one.url, "pipeline": one.pipeline} for one in targets]
    tell(f"closed loop with {', '.join(map(str, plan.clients))} clients")
    for target, entry in zip(targets, said, strict=True):
        entry["sweep"], entry["clients"] = await _sweep(target, plan, cores)
    tell(f"capacity, {plan.turns} turns of {plan.seconds:g} s")
    before = [await _statistics(target) for target in targets]
    closed = await _in_turns(
        targets, plan, lambda index, turn: closed_loop(targets[index], said[index]["clients"], plan.seconds)
    )
    for index, target in enumerate(targets):
        after = await _statistics(target)
        steps = steps_between(before[index], after, (target.pipeline, *target.steps))
        said[index] |= {
            "capacity": figures(closed[index], cores),
            "steps": [dataclasses.asdict(step) for step in steps],
            "open": [],
        }
    for load in plan.loads:
        tell(f"open loop at {load:.0%} of capacity, {plan.turns} turns of {plan.seconds:g} s")
        rates = [load * entry["capacity"]["per_second"] for entry in said]
        if min(rates) <= 0:
            raise InternalServerError(
                "the server answered nothing in a whole turn; there is no capacity to take a share of"
            )

        def opening(index: int, turn: int, rates: list[float] = rates) -> Coroutine[Any, Any, LoadRun]:
            return open_loop(targets[index], rates[index], plan.seconds, turn)

        opened = await _in_turns(targets, plan, opening)
        for index, runs in enumerate(opened):
            said[index]["open"].append({"load": load, "offered": round(rates[index], 3), **_with_curve(runs, cores)})
    found: dict[str, Any] = {"cores": cores, "plan": dataclasses.asdict(plan), "targets": said}
    if len(targets) == 2:
        found["compare"] = _compared(closed, said)
    return found


async def _statistics(target: Target) -> list[dict[str, Any]]:
    """Return the statistics of a server's models, and of steps that share a process with others, after a pause."""
    await asyncio.sleep(_PUBLISHED_S)
    found = await target.transport.statistics(target.timeout)
    for step in set(target.steps) - {entry["name"] for entry in found}:
        found += await target.transport.statistics(target.timeout, step)
    return found


async def _warm(target: Target, plan: Plan) -> None:
    run = await closed_loop(target, max(plan.clients), max(plan.warm_up_s, 0.01))
    errors = [shot.error for shot in run.shots if shot.error]
    if len(errors) == len(run.shots):
        await target.transport.infer(target.pipeline, target.inputs, target.outputs, target.timeout)
        raise InternalServerError(f"{target.name}: no request of the warm-up was answered ({errors[0]})")


async def _sweep(target: Target, plan: Plan, cores: int) -> tuple[list[dict[str, Any]], int]:
    """Try numbers of clients; return the figures, and the smallest number that comes near the best."""
    tried = []
    for clients in plan.clients:
        run = await closed_loop(target, clients, plan.seconds)
        tried.append({"clients": clients, **figures([run], cores)})
    best = max(entry["per_second"] for entry in tried)
    return tried, next(entry["clients"] for entry in tried if entry["per_second"] >= _NEAR_BEST * best)


async def _in_turns(
    targets: Sequence[Target], plan: Plan, work: Callable[[int, int], Awaitable[LoadRun]]
) -> list[list[LoadRun]]:
    """Repeat a load, target after target, every second time in the other order."""
    runs: list[list[LoadRun]] = [[] for _ in targets]
    for turn in range(plan.turns):
        order = range(len(targets)) if turn % 2 == 0 else range(len(targets) - 1, -1, -1)
        for index in order:
            runs[index].append(await work(index, turn))
    return runs


def _with_curve(runs: Sequence[LoadRun], cores: int) -> dict[str, Any]:
    """Return the figures, and the latency at every half percent for the report."""
    times = latencies_ms(runs)
    curve = [round(quantile(times, share), 3) for share in _CURVE] if times else []
    return {**figures(runs, cores), "curve_ms": curve}


def _compared(closed: Sequence[Sequence[LoadRun]], said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the second target as a multiple of the first, turn by turn."""
    ratios = [b.per_second / a.per_second for a, b in zip(*closed, strict=True) if a.per_second]
    medians = [entry["open"][0]["latency_ms"]["p50"] if entry["open"] else None for entry in said]
    return {
        "a": said[0]["name"],
        "b": said[1]["name"],
        "throughput_b_over_a": round(statistics.median(ratios), 4) if ratios else None,
        "spread": [round(min(ratios), 4), round(max(ratios), 4)] if ratios else None,
        "median_latency_b_over_a": round(medians[1] / medians[0], 4) if medians[0] and medians[1] else None,
    }
