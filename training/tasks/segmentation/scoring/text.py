"""Scores of a segmentation as text: tables of decisions and classes, and the classes of which nothing was found."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from crosswire.training.tasks.segmentation.metrics import Scores

_WIDTH = 116
#: Below this IoU a class counts as not found, whatever few pixels were hit.
_FOUND = 0.005


def decision_rows(scores: Mapping[str, Any], title: str) -> list[str]:
    """Return a heading and one line per decision.

    Args:
        scores: plain scores by the name of the decision, as `metrics.json` has them.
        title: what was scored.
    """
    wide = max(10, *map(len, scores)) if scores else 10
    lines = [f"{'':{wide}} {'mIoU':>6} {'mean acc':>9} {'pixel acc':>10}   {title}"]
    for name, of in scores.items():
        figures = f"{of['mean_iou']:6.3f} {of['mean_accuracy']:9.3f} {of['pixel_accuracy']:10.3f}"
        lines.append(f"{name:{wide}} {figures}")
    return lines


def class_rows(scores: Mapping[str, Any]) -> list[str]:
    """Return the IoU of every class by every decision, the class's share of the pixels, and what was not found.

    Args:
        scores: plain scores by the name of the decision, the whole network's first; a class that does not occur has
            null.
    """
    if not scores:
        return []
    first = next(iter(scores.values()))
    classes, total = list(first["iou"]), max(1, sum(first["pixels"].values()))
    wide, columns = max(10, *map(len, classes)), {name: max(6, len(name)) for name in scores}
    lines = [f"{'IoU':{wide}} {' '.join(f'{name:>{column}}' for name, column in columns.items())}   of the pixels"]
    for one in classes:
        values = (_figure(scores[name]["iou"][one], column) for name, column in columns.items())
        lines.append(f"{one:{wide}} {' '.join(values)}   {first['pixels'][one] / total:13.2%}")
    pixels = list(first["pixels"].values())
    return [*lines, *findings(classes, list(first["iou"].values()), pixels)]


def degraded_rows(clean: Mapping[str, Any], degraded: Mapping[str, Any]) -> list[str]:
    """Return the mean IoU of every decision under every degradation, below that of the frames as they are.

    Args:
        clean: plain scores by the name of the decision.
        degraded: the same by the name of the degradation; a stream may be missing in it.
    """
    wide = max(10, *map(len, degraded))
    columns = {name: max(6, len(name)) for name in clean}
    lines = [f"{'mean IoU':{wide}} {' '.join(f'{name:>{column}}' for name, column in columns.items())}   degraded"]
    for title, scores in {"clean": clean, **degraded}.items():
        values = (
            _figure(scores[name]["mean_iou"] if name in scores else None, column) for name, column in columns.items()
        )
        lines.append(f"{title:{wide}} {' '.join(values)}")
    return lines


def validation_lines(scores: Mapping[str, Scores], classes: Sequence[str]) -> list[str]:
    """Return what a validation found: the mean IoU of every decision, the IoU of every class, and what was not found.

    Args:
        scores: by the name of the decision, the whole network's first.
        classes: their names.
    """
    first = next(iter(scores.values()))
    decisions = "  ".join(f"{name} {score.mean_iou:.3f}" for name, score in scores.items())
    known = [f"{name} {value:.3f}" for name, value in zip(classes, first.iou, strict=True) if not math.isnan(value)]
    return [
        f"mean IoU  {decisions}",
        *_wrapped("IoU", known),
        *findings(classes, first.iou, first.pixels),
    ]


def findings(classes: Sequence[str], iou: Sequence[float | None], pixels: Sequence[int]) -> list[str]:
    """Name the classes of which nothing was found, and those that never occur and of which no score says anything.

    Args:
        classes: their names.
        iou: of each class.
        pixels: labelled pixels of each class.
    """
    missed = [
        name for name, value, count in zip(classes, iou, pixels, strict=True) if count and (value or 0.0) < _FOUND
    ]
    absent = [name for name, count in zip(classes, pixels, strict=True) if not count]
    return [
        *_wrapped("nothing or next to nothing found of:", missed),
        *_wrapped("in none of these frames:", absent),
    ]


def _wrapped(title: str, words: Sequence[str]) -> list[str]:
    """Return a title and words between commas in lines; none without a word."""
    text = f"{title} {', '.join(words)}"
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False) if words else []


def _figure(value: float | None, wide: int) -> str:
    """Return a score in a column; a dash where there is none."""
    return f"{'–' if value is None else f'{value:.3f}':>{wide}}"
