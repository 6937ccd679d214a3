"""Sending scenes to a server, and showing what came back: files, contact sheet, report, table."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from crosswire.clients import ContactSheetRow, Predictor, Segmentation, blend_labels, contact_sheet, mean_iou
from demo.panels import Panel, with_panels
from demo.scenes import Scene, relative

REPEATS = 5
TRUTH_OPACITY = 0.55


@dataclass(frozen=True)
class Answer:
    """What the server made of a scene.

    Attributes:
        scene: what was sent.
        result: what came back.
        files: where it was written, by kind.
        p50_ms: median time of a request, decoding of the answer included.
        mean_iou: against the scene's truth, or None where there is none.
    """

    scene: Scene
    result: Segmentation
    files: dict[str, Path]
    p50_ms: float
    mean_iou: float | None


def ask(predictor: Predictor, pipeline: str, scenes: Sequence[Scene], out: Path) -> list[Answer]:
    """Send every scene several times and save what comes back.

    Args:
        predictor: an open client.
        pipeline: name of the ensemble.
        scenes: what to send.
        out: folder for label and overlay pictures.
    """
    answers = []
    for scene in scenes:
        times = []
        for _ in range(1 + REPEATS):
            start = time.perf_counter()
            result = predictor.segment(scene.rgb, scene.depth, depth_units_per_metre=scene.units, pipeline=pipeline)
            times.append(1000 * (time.perf_counter() - start))
        score = None
        if scene.truth is not None:
            score = mean_iou(result.labels, scene.truth, len(result.class_names))
        answers.append(Answer(scene, result, result.save(out, scene.name), statistics.median(times[1:]), score))
    return answers


def pooled_mean_iou(answers: Sequence[Answer]) -> float:
    """Return the mean IoU over the pixels of all scenes whose truth is known."""
    known = [(a.result.labels.ravel(), a.scene.truth.ravel()) for a in answers if a.scene.truth is not None]
    predicted, truth = (np.concatenate(column)[None] for column in zip(*known, strict=True))
    return mean_iou(predicted, truth, len(answers[0].result.class_names))


def draw_sheet(answers: Sequence[Answer], panels: Sequence[Panel], path: Path) -> None:
    """Draw the contact sheet of all answers, and panels of the other networks below it."""
    palette = answers[0].result.palette
    rows = []
    for answer in answers:
        rgb = Image.open(answer.scene.rgb).convert("RGB")
        truth = answer.scene.truth
        captions = [f"{answer.p50_ms:.0f} ms", f"confidence {answer.result.mean_confidence:.2f}"]
        if answer.mean_iou is not None:
            captions.insert(0, f"mIoU {answer.mean_iou:.2f}")
        rows.append(
            ContactSheetRow(
                title=answer.scene.name.replace("_", " "),
                rgb=rgb,
                depth=answer.scene.metres(),
                overlay=answer.result.overlay(),
                truth=None if truth is None else blend_labels(rgb, truth, palette, TRUTH_OPACITY),
                captions=tuple(captions),
                notice=answer.scene.notice,
            )
        )
    colours = [tuple(int(channel) for channel in colour) for colour in palette]
    legend = list(zip(answers[0].result.class_names, colours, strict=True))
    with_panels(contact_sheet(rows, legend), panels).save(path)  # type: ignore[arg-type]


def report(answers: Sequence[Answer], pipeline: str, others: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the report: one entry per request, paths relative to the repository; the other networks' apart."""
    return {
        "others": list(others),
        "requests": [
            {
                "pipeline": pipeline,
                "input": relative(answer.scene.rgb),
                "p50_ms": round(answer.p50_ms, 2),
                "overlay": relative(answer.files["overlay"]),
                "labels": relative(answer.files["labels"]),
                "mean_iou": None if answer.mean_iou is None else round(answer.mean_iou, 4),
            }
            for answer in answers
        ],
    }


def write_report(answers: Sequence[Answer], pipeline: str, path: Path, others: Sequence[dict[str, Any]] = ()) -> None:
    """Write the report as JSON."""
    path.write_text(json.dumps(report(answers, pipeline, others), indent=1) + "\n", encoding="utf-8")


def table(answers: Sequence[Answer]) -> str:
    """Return one line per scene."""
    lines = [f"{'scene':20} {'mIoU':>5} {'p50':>7} {'confidence':>10}  most of it"]
    for answer in answers:
        largest = sorted(answer.result.shares.items(), key=lambda item: -item[1])[:3]
        lines.append(
            f"{answer.scene.name:20} {'-' if answer.mean_iou is None else format(answer.mean_iou, '.2f'):>5} "
            f"{answer.p50_ms:4.0f} ms {answer.result.mean_confidence:10.2f}  "
            + ", ".join(f"{name} {share:.0%}" for name, share in largest)
            + (f"  ({answer.scene.notice})" if answer.scene.notice else "")
        )
    return "\n".join(lines)
