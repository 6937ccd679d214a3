"""How measured ratios have moved from date to date: `benchmarks/results/trend.png`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

#: Figures that are ratios measured in one run, which machines and neighbours hardly change, by benchmark.
RATIOS = {
    "training_step": ("plain_over_stacked",),
    "export": (
        "networks.refinenet101.int8_against_eager",
        "networks.refinenet101.int8_against_naive",
        "networks.cen-lite.int8_against_eager",
    ),
    "serving": ("clients_1.served.share", "clients_4.served.share"),
}


def series(results: Path) -> dict[str, list[tuple[str, float]]]:
    """Return date and value of every ratio, oldest first."""
    found = defaultdict(list)
    for path in sorted(results.glob("????-??-??-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for dotted in RATIOS.get(record.get("benchmark", ""), ()):
            value: Any = record
            for key in dotted.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found[f"{record['benchmark']}: {dotted}"].append((record["date"], float(value)))
    return dict(found)


def draw(results: Path, path: Path) -> None:
    """Draw one line per ratio."""
    from matplotlib.figure import Figure  # slow to import, and only needed here

    from training.report.style import colour, tidy

    lines = series(results)
    figure = Figure(figsize=(8, 1.6 * max(1, len(lines))), layout="constrained")
    for index, (axes, (name, points)) in enumerate(
        zip(figure.subplots(max(1, len(lines)), squeeze=False)[:, 0], lines.items(), strict=False)
    ):
        dates, values = zip(*points, strict=True)
        axes.plot(dates, values, "o-", color=colour(index))
        axes.set_ylim(0, 1.15 * max(values))
        tidy(axes, name)
    figure.savefig(path, dpi=120)
