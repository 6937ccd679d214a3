"""What a study leaves behind: a table in text, a JSON file with hardware, date and command, and an image."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from crosswire.training.engine.machine.hardware import hardware
from crosswire.training.report.style import colour, tidy
from research.study.study import Study, StudyTable


def as_text(study: Study, table: StudyTable) -> str:
    """Return the table of a study and its verdicts."""
    wide = max(len(row) for row in table.rows)
    heads = "".join(f"{head:>17}" for head in study.shown.values())
    lines = [study.question, "", f"{'':{wide}}{heads}{'parameters':>12}"]
    for row in table.rows:
        cells = "".join(
            f"{table.mean(row, figure):9.3f} ± {table.spread(row, figure):.3f}"
            if figure in table.rows[row][0]
            else " " * 17
            for figure in study.shown
        )
        size = f"{table.mean(row, 'parameters'):12,.0f}" if "parameters" in table.rows[row][0] else ""
        lines.append(f"{row:{wide}}{cells}{size}".rstrip())
    lines += ["", study.power, ""]
    for claim in study.claims:
        verdict = claim.judge(table)
        lines += [f"{verdict.word.upper()}: {claim.text} ({claim.source})", f"    {verdict.evidence}"]
    return "\n".join(lines)


def as_json(study: Study, table: StudyTable, size: str, seeds: int, command: str) -> dict[str, Any]:
    """Return what was measured as plain JSON types."""
    rows = []
    for name, runs in table.rows.items():
        figures = {
            figure: {
                "mean": table.mean(name, figure),
                "std": table.spread(name, figure),
                "values": table.values(name, figure),
            }
            for figure in runs[0]
        }
        rows.append({"name": name, "figures": figures})
    verdicts = []
    for claim in study.claims:
        verdict = claim.judge(table)
        verdicts.append(
            {"claim": claim.text, "source": claim.source, "verdict": verdict.word, "evidence": verdict.evidence}
        )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "study": study.name,
        "question": study.question,
        "power": study.power,
        "size": size,
        "seeds": seeds,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "command": command,
        "hardware": {**hardware(), "gpu": gpu, "torch": torch.__version__},
        "shown": dict(study.shown),
        "rows": rows,
        "verdicts": verdicts,
    }


def draw(path: Path, study: Study, table: StudyTable, runs: Path) -> None:
    """Draw a study as it says, or as bars.

    Args:
        path: of the PNG.
        study: which.
        table: what was measured.
        runs: the folder of its runs.
    """
    figure = study.draw(table, runs) if study.draw else _bars(study, table)
    figure.savefig(path, dpi=120)


def _bars(study: Study, table: StudyTable) -> Figure:
    """Draw figures of all rows as bars with their spread over seeds."""
    names: Sequence[str] = list(table.rows)
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(study.drawn)
    for index, shown in enumerate(study.drawn):
        rows = [(place, name) for place, name in enumerate(names) if shown in table.rows[name][0]]
        axes.barh(
            [place + index * height for place, _ in rows],
            [table.mean(name, shown) for _, name in rows],
            height,
            xerr=[table.spread(name, shown) for _, name in rows],
            color=colour(index),
            label=study.shown[shown],
        )
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(names))], names)
    axes.invert_yaxis()
    tidy(axes, study.question)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
