"""The page that shows a report: one HTML file, its images beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from crosswire.contract.atomic_write import write_text
from crosswire.training.report.style import ReportImage

FOLDER = "report"
PAGE = "index.html"
_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: #fff; color: #22303c;
       font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .35rem 0; max-width: 52rem; } .facts, .source { color: #5b6873; } .source { font-size: .9rem; }
figure { margin: 0; } img { max-width: 100%; height: auto; display: block; margin-bottom: .5rem; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; text-align: right; border-bottom: 1px solid #e4e8eb; font-weight: 400; }
th:first-child { text-align: left; } thead th { color: #5b6873; font-size: .9rem; }
.best { font-weight: 600; } ul { padding-left: 1.2rem; }
"""

_COLUMNS = {"mean_iou": "mIoU", "mean_accuracy": "mean accuracy", "pixel_accuracy": "pixel accuracy"}


@dataclass(frozen=True)
class Page:
    """What a report says.

    Attributes:
        title: of the page.
        facts: what was trained, in short pieces.
        metrics: the run's `metrics.json`.
        pictures: the figures, in order.
        left_out: what is not shown, and why.
    """

    title: str
    facts: Sequence[str]
    metrics: dict[str, Any]
    pictures: Sequence[ReportImage]
    left_out: Sequence[str]


def write_page(run: Path, page: Page) -> Path:
    """Write a page into the folder `report` of a run folder, all of it or nothing, and return its path."""
    path = run / FOLDER / PAGE
    write_text(path, render(page))
    return path


def spread(size: int, count: int) -> list[int]:
    """Return up to `count` indices spread evenly over 0..size-1."""
    return sorted({int(i) for i in np.linspace(0, size - 1, min(count, size))}) if size else []


def render(page: Page) -> str:
    """Return a page as HTML."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(page.title)}</h1>",
        f'<p class="facts">{escape(" · ".join(page.facts))}</p>',
        *_scores(page.metrics),
        *(part for picture in page.pictures for part in _picture(picture)),
        *_classes(page.metrics),
    ]
    if page.left_out:
        parts += ["<h2>Left out</h2>", "<ul>", *(f"<li>{escape(reason)}</li>" for reason in page.left_out), "</ul>"]
    return "\n".join([*parts, "</body></html>", ""])


def _picture(picture: ReportImage) -> list[str]:
    """Return the section of one figure."""
    source = f'<p class="source">Compare {escape(picture.source)}</p>' if picture.source else ""
    return [
        f"<h2>{escape(picture.title)}</h2>",
        f'<figure><img src="{escape(picture.file)}" alt="{escape(picture.title)}">',
        f"<figcaption><p>{escape(picture.caption)}</p>{source}</figcaption></figure>",
    ]


def _scores(metrics: dict[str, Any]) -> list[str]:
    """Return the tables of the scores; nothing where there are none."""
    parts = []
    titles = {
        "scores": f"Scores on {metrics.get('scenes')} test frames",
        "availability": "Scores by what is available",
    }
    for key, title in titles.items():
        scores: dict[str, dict[str, Any]] = metrics.get(key, {})
        if scores:
            rows = {name: [score[column] for column in _COLUMNS] for name, score in scores.items()}
            parts += [f"<h2>{title}</h2>", *_table(["", *_COLUMNS.values()], rows)]
    return parts


def _classes(metrics: dict[str, Any]) -> list[str]:
    """Return the table of the classes; nothing where there are no scores."""
    scores: dict[str, dict[str, Any]] = metrics.get("scores", {})
    if not scores:
        return []
    rows = {name: [score["iou"][name] for score in scores.values()] for name in next(iter(scores.values()))["iou"]}
    return [
        "<h2>Intersection over union per class</h2>",
        *_table(["", *scores], rows, best_in_row=len(scores) > 1),
    ]


def _table(head: Sequence[str], rows: dict[str, list[float | None]], *, best_in_row: bool = False) -> list[str]:
    """Return a table of values 0..1 with three decimals; a dash for None."""
    parts = ["<table><thead><tr>", *(f"<th>{escape(title)}</th>" for title in head), "</tr></thead><tbody>"]
    for name, values in rows.items():
        best = max((value for value in values if value is not None), default=None) if best_in_row else None
        parts.append(f"<tr><th>{escape(name)}</th>{''.join(_cell(value, best) for value in values)}</tr>")
    return [*parts, "</tbody></table>"]


def _cell(value: float | None, best: float | None) -> str:
    """Return one cell; the best value of a row stands out."""
    mark = ' class="best"' if value is not None and value == best else ""
    return f"<td{mark}>{'–' if value is None else f'{value:.3f}'}</td>"
