"""The figures of a benchmark as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosswire.clients.bench.report import clients_text
from crosswire.clients.bench.session import FEWEST_TURNS


def as_text(found: Mapping[str, Any]) -> str:
    """Return the figures as text, one block per target."""
    lines = []
    for target in found["targets"]:
        lines.append(f"{target['name']}  ({target['pipeline']} at {target['url']})")
        lines.append(
            f"  {'load':<24} {'offered':>9} {'answered':>9} {'p50':>9} {'p90':>9} {'p95':>9} {'p99':>9}  errors"
        )
        rows = [(clients_text("closed", one["clients"]), one) for one in target["sweep"]]
        rows.append((clients_text("capacity", target["clients"]), target["capacity"]))
        rows += [(f"open, {one['load']:.0%} of capacity", one) for one in target["open"]]
        lines += [_row(name, one) for name, one in rows]
        capacity = target["capacity"]
        low, high = capacity["spread"]
        lines.append(
            f"  capacity {capacity['per_second']:.2f}/s, turns {low:.2f} to {high:.2f}; the client took "
            f"{capacity['client_cpu']:.0%} of one processor, {capacity['client_cpu_of_machine']:.0%} of the machine"
        )
        for step in target["steps"]:
            batch = step["requests"] / max(step["executions"], 1)
            lines.append(
                f"    {step['model']:<28} waits {step['queue_ms']:8.2f} ms  works {step['compute_ms']:8.2f} ms  "
                f"batch {batch:.2f}"
            )
    if compare := found.get("compare"):
        low, high = compare["spread"] or (0.0, 0.0)
        lines.append(
            f"{compare['b']} answers {compare['throughput_b_over_a']} x as many as {compare['a']} ({low}–{high})"
        )
    if other := found.get("perf_analyzer"):
        lines.append(
            f"perf_analyzer, {other['clients']} clients: {other['per_second']:.2f}/s; ours just before and after: "
            f"{other['ours_per_second']:.2f}/s, {other['ours_over_theirs']:.3f} of that"
        )
    if found["plan"]["turns"] < FEWEST_TURNS:
        lines.append(f"fewer than {FEWEST_TURNS} turns: the spread says little")
    lines.append("a dash stands where too few samples lie beyond a percentile")
    return "\n".join(lines)


def _row(name: str, one: Mapping[str, Any]) -> str:
    """Return one load as a line."""
    offered = f"{one['offered']:.2f}/s" if "offered" in one else ""
    times = ["-" if value is None else f"{value:.1f} ms" for value in one["latency_ms"].values()]
    errors = ", ".join(f"{count} {kind}" for kind, count in one["errors"].items()) or "0"
    return f"  {name:<24} {offered:>9} {one['per_second']:>7.2f}/s {' '.join(f'{text:>9}' for text in times)}  {errors}"
