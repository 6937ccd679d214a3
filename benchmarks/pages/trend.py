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
    "gpu_train": tuple(f"networks.{name}.bf16_over_fp32" for name in ("refinenet101", "unet256", "gmf")),
    "gpu_frozen": tuple(
        f"networks.{name}.batches.{batch}.frozen_against_eager_fp16"
        for name in ("refinenet101", "cen-lite")
        for batch in (1, 8)
    ),
    "gpu_tensorrt": tuple(
        f"networks.{name}.batches.{batch}.against_onnx_fp16.{library} fp16"
        for library in ("tensorrt_rtx", "tensorrt")
        for name in ("refinenet101", "cen-lite")
        for batch in (1, 8)
    ),
    "gpu_served": ("clients_1.served.share", "clients_4.served.share"),
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

    from crosswire.training.report.style import colour, tidy

    lines = series(results)
    figure = Figure(figsize=(8, 1.6 * max(1, len(lines))), layout="constrained")
    for index, (axes, (name, points)) in enumerate(
        zip(figure.subplots(max(1, len(lines)), squeeze=False)[:, 0], lines.items(), strict=False)
    ):
        dates, values = zip(*points, strict=True)
        axes.plot(dates, values, "o-", color=colour(index))
        axes.set_ylim(0, 1.15 * max(values))
        tidy(axes, name)
    figure.supxlabel(missing(results), fontsize=8)
    figure.savefig(path, dpi=120)


def missing(results: Path) -> str:
    """Return which benchmarks have no result yet, in words; those of a GPU were not run on hardware."""
    seen = {name.partition(":")[0] for name in series(results)}
    absent = [name for name in RATIOS if name not in seen]
    gpu = [name for name in absent if name.startswith("gpu_")]
    parts = {"no result yet": [name for name in absent if name not in gpu], "not run on hardware": gpu}
    return "; ".join(f"{words}: {', '.join(names)}" for words, names in parts.items() if names)
