"""The report: one HTML file with two drawings and all figures; it loads nothing from anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from crosswire.clients.bench.figures import BEYOND
from crosswire.clients.files import write_whole

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #667; --rule: #d8dbe0; --page: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #9aa1ad; --rule: #343a44; --page: #14171c } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       color: var(--ink); background: var(--page) }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
p, figcaption { color: var(--soft); max-width: 48rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } figure { margin: 1rem 0 }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--rule); white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { font-weight: 600; color: var(--soft) }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif } svg text { fill: var(--soft) }
.grid { stroke: var(--rule); stroke-width: 1 } .line { fill: none; stroke-width: 2 }
pre { overflow-x: auto; font-size: 12px; color: var(--soft) }
"""
_COLOURS = ("#2f6fde", "#d9622b", "#1f9e77", "#9a4fc4", "#b98a00", "#cf3a6c")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 340, 64, 16, 16, 44
Point = tuple[float, float]


def write_report(path: Path, found: Mapping[str, Any]) -> Path:
    """Write the report of what `crosswire.clients.bench.session.measure` found, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    return write_whole(path, html_report(found).encode())


def html_report(found: Mapping[str, Any]) -> str:
    """Return the report of what `crosswire.clients.bench.session.measure` found."""
    parts = [f"<h1>{escape(' against '.join(one['name'] for one in found['targets']))}</h1>"]
    plan = found["plan"]
    parts.append(
        f"<p>{plan['turns']} turns of {plan['seconds']:g} s per load, on a machine with {found['cores']} processors. "
        "Closed loop: every client waits for its answer, which gives the capacity and hides stalls. Open loop: "
        "requests are due at random moments whatever the server does, and latency counts from the moment they were "
        "due. A percentile is shown only where enough samples lie beyond it.</p>"
    )
    parts += [_load_table(one) + _step_table(one) for one in found["targets"]]
    if "compare" in found:
        parts.append(f"<h2>Compared</h2><pre>{escape(json.dumps(found['compare'], indent=1))}</pre>")
    parts.append(
        _figure(distribution(found["targets"]), "Latency of the open loads: the share of requests answered in time.")
    )
    parts.append(
        _figure(curve(found["targets"]), "Median latency (filled: closed loop, hollow: open loop) by throughput.")
    )
    plain = json.dumps(without_curves(found), indent=1)
    parts.append(f"<details><summary>All figures</summary><pre>{escape(plain)}</pre></details>")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Crosswire benchmark</title>'
        f"<style>{_STYLE}</style><main>{''.join(parts)}</main></html>\n"
    )


def distribution(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return the drawing of the latency distributions: time over share of requests, as far as samples support it."""
    lines = []
    for target in targets:
        for entry in target["open"]:
            curve_ms = entry["curve_ms"]
            shares = [index / max(len(curve_ms) - 1, 1) for index in range(len(curve_ms))]
            known = [
                (_nines(share), value)
                for share, value in zip(shares, curve_ms, strict=True)
                if entry["samples"] * (1 - share) >= BEYOND
            ]
            lines.append((f"{target['name']}, {entry['load']:.0%} load", known, False))
    ticks = [(_nines(share), f"{share:.1%}".replace(".0%", "%")) for share in (0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995)]
    return _drawing(lines, ticks, "share of requests", "latency, ms")


def curve(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return the drawing of median latency over throughput."""
    lines = []
    for target in targets:
        closed = [(entry["per_second"], entry["latency_ms"]["p50"]) for entry in target["sweep"]]
        opened = [(entry["per_second"], entry["latency_ms"]["p50"]) for entry in target["open"]]
        for name, points, hollow in (("closed loop", closed, False), ("open loop", opened, True)):
            known = [(rate, value) for rate, value in points if value is not None]
            lines.append((f"{target['name']}, {name}", known, hollow))
    top = max((rate for _, points, _ in lines for rate, _ in points), default=1.0)
    return _drawing(
        lines, [(rate, f"{rate:g}") for rate in _round_ticks(top)], "answers a second", "latency, ms", dots=True
    )


def _nines(share: float) -> float:
    """Stretch a share of requests so that 90 %, 99 % and 99.9 % are equally far apart."""
    return -math.log10(max(1.0 - share, 10**-2.5))


def _drawing(
    lines: Sequence[tuple[str, Sequence[Point], bool]],
    x_ticks: Sequence[tuple[float, str]],
    x_name: str,
    y_name: str,
    *,
    dots: bool = False,
) -> str:
    """Return an SVG with axes, a grid, lines and their names."""
    points = [point for _, own, _ in lines for point in own]
    if not points:
        return "<svg viewBox='0 0 900 40'><text x='8' y='24'>too few samples for a drawing</text></svg>"
    right = max(*(x for x, _ in points), *(x for x, _ in x_ticks)) or 1.0
    y_ticks = _round_ticks(max(y for _, y in points))
    top = max(y_ticks[-1], max(y for _, y in points))

    def place(x: float, y: float) -> Point:
        across = _LEFT + x / right * (_WIDTH - _LEFT - _RIGHT)
        return round(across, 1), round(_HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT + 22 * len(lines)}' role='img'>"]
    for tick in y_ticks:
        x, y = place(0, tick)
        parts.append(f"<path class='grid' d='M{x} {y}H{_WIDTH - _RIGHT}'/>")
        parts.append(f"<text x='{x - 8}' y='{y + 4}' text-anchor='end'>{tick:g}</text>")
    for value, text in x_ticks:
        x, y = place(value, 0)
        parts.append(f"<text x='{x}' y='{y + 18}' text-anchor='middle'>{escape(text)}</text>")
    parts.append(f"<text x='{_WIDTH - _RIGHT}' y='{_HEIGHT - 6}' text-anchor='end'>{escape(x_name)}</text>")
    parts.append(f"<text x='4' y='{_TOP - 4}'>{escape(y_name)}</text>")
    for index, (name, own, hollow) in enumerate(lines):
        colour = _COLOURS[index % len(_COLOURS)]
        placed = [place(*point) for point in own]
        if placed:
            path = " ".join(f"{x},{y}" for x, y in placed)
            parts.append(f"<polyline class='line' stroke='{colour}' points='{path}'/>")
        if dots:
            fill = "var(--page)" if hollow else colour
            parts += [f"<circle cx='{x}' cy='{y}' r='4' stroke='{colour}' fill='{fill}'/>" for x, y in placed]
        y = _HEIGHT + 14 + 22 * index
        parts.append(f"<rect x='{_LEFT}' y='{y - 10}' width='14' height='10' rx='2' fill='{colour}'/>")
        parts.append(f"<text x='{_LEFT + 22}' y='{y}'>{escape(name)}</text>")
    return "".join([*parts, "</svg>"])


def _round_ticks(top: float) -> list[float]:
    """Return up to six round values from 0 to about `top`."""
    step = 10 ** math.floor(math.log10(top / 5)) if top > 0 else 1.0
    step *= next((factor for factor in (1, 2, 5, 10) if top / (step * factor) <= 5.5), 10)
    return [round(index * step, 10) for index in range(int(top / step + 1e-9) + 1)] or [0.0]


def _figure(drawing: str, caption: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def _load_table(target: Mapping[str, Any]) -> str:
    rows = [(clients_text("closed", entry["clients"]), None, entry) for entry in target["sweep"]]
    rows.append((clients_text("capacity", target["clients"]), None, target["capacity"]))
    rows += [(f"open, {entry['load']:.0%} of capacity", entry["offered"], entry) for entry in target["open"]]
    head = "load|offered|answered|spread|p50|p90|p95|p99|samples|errors|client CPU"
    body = ""
    for name, offered, entry in rows:
        times = [entry["latency_ms"][key] for key in ("p50", "p90", "p95", "p99")]
        cells = [name, "" if offered is None else f"{offered:.1f}/s", f"{entry['per_second']:.1f}/s"]
        cells.append("–".join(f"{rate:.1f}" for rate in entry["spread"]))
        cells += ["–" if value is None else f"{value:.1f} ms" for value in times]
        cells += [str(entry["samples"]), str(sum(entry["errors"].values())), f"{entry['client_cpu']:.0%}"]
        body += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    titles = "".join(f"<th>{title}</th>" for title in head.split("|"))
    place = f"{target['pipeline']} at {target['url']}"
    return f"<h2>{escape(target['name'])}</h2><p>{escape(place)}</p><table><tr>{titles}</tr>{body}</table>"


def _step_table(target: Mapping[str, Any]) -> str:
    body = "".join(
        f"<tr><td>{escape(step['model'])}</td><td>{step['queue_ms']:.2f} ms</td><td>{step['compute_ms']:.2f} ms</td>"
        f"<td>{step['requests'] / max(step['executions'], 1):.2f}</td></tr>"
        for step in target["steps"]
    )
    head = "<tr><th>step, by Triton's statistics at capacity</th><th>waits</th><th>works</th><th>batch</th></tr>"
    return f"<table style='margin-top:1rem'>{head}{body}</table>"


def clients_text(load: str, clients: int) -> str:
    """Return the name of a closed load."""
    return f"{load}, {clients} client{'s' if clients > 1 else ''}"


def without_curves(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures without the many points of the drawings."""
    targets = [
        {**target, "open": [{key: entry[key] for key in entry if key != "curve_ms"} for entry in target["open"]]}
        for target in found["targets"]
    ]
    return {**found, "targets": targets}
