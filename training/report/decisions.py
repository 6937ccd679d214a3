"""Test frames beside the truth and what streams and ensemble decide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from crosswire.training.datasets.frames import IGNORE, FrameSource
from crosswire.training.engine.run_folder import Run
from crosswire.training.modalities import Modality
from crosswire.training.models import SegmentationNetwork
from crosswire.training.report.style import GREY, INK, ReportImage, bare, save
from crosswire.training.tasks.segmentation.losses import upsample

_HOLE = (120, 126, 132)


@dataclass(frozen=True)
class Sample:
    """One test frame, ready to be shown.

    Attributes:
        inputs: normalised, [1, C, H, W] per stream.
        shown: images per stream, uint8 [H, W, 3].
        labels: uint8 [H, W].
    """

    inputs: list[Tensor]
    shown: dict[str, NDArray[np.uint8]]
    labels: NDArray[np.uint8]


def show(modality: Modality, raw: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Make a raw image visible, uint8 [H, W, 3]: colour as it is, depth from near (bright) to far, holes grey."""
    if modality.channels == 3:
        return np.asarray(raw, np.uint8)
    values = np.asarray(raw, np.float32).reshape(raw.shape[:2])
    known = values != modality.missing if modality.missing is not None else np.ones(values.shape, bool)
    low, high = np.percentile(values[known], (1, 99)) if known.any() else (0.0, 1.0)
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    picture: NDArray[np.uint8] = (np.asarray(colormaps["cividis_r"](scaled))[..., :3] * 255).astype(np.uint8)
    picture[~known] = _HOLE
    return picture


def paint(labels: NDArray[np.generic], palette: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint8]:
    """Paint labels [H, W] with their colours, uint8 [H, W, 3]; unknown ones black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    table[IGNORE] = 0
    painted: NDArray[np.uint8] = table[np.asarray(labels, np.uint8)]
    return painted


def decide(network: SegmentationNetwork, sample: Sample) -> list[NDArray[np.uint8]]:
    """Return the labels that each stream and, last, the ensemble decides for, uint8 [H, W] each."""
    with torch.inference_mode():
        decisions = network(*sample.inputs)
        logits = torch.cat([decisions.streams, decisions.ensemble])
        labels = upsample(logits, (sample.labels.shape[0], sample.labels.shape[1])).argmax(1)
    return list(labels.to(torch.uint8).numpy())


def draw_decisions(run: Run, samples: list[Sample], source: FrameSource, folder: Path) -> ReportImage:
    """Draw inputs, truth and decisions, a row per frame."""
    streams, deciding = run.config.network.streams, run.config.network.deciding
    alone = deciding if len(deciding) > 1 else ()
    titles = [*streams, "truth", *(f"from {name}" for name in alone), "ensemble" if alone else "decision"]
    height, width = samples[0].labels.shape
    figure = Figure(figsize=(12, 12 / len(titles) * (height / width + 0.09) * len(samples) + 0.9), layout="constrained")
    grid = figure.subplots(len(samples), len(titles), squeeze=False)
    for row, sample in zip(grid, samples, strict=True):
        decided = decide(run.network, sample)[-1 - len(alone) :]
        pictures = [sample.shown[name] for name in streams]
        pictures += [paint(labels, source.palette) for labels in (sample.labels, *decided)]
        known = sample.labels != IGNORE
        right = [float((labels == sample.labels)[known].mean()) if known.any() else 0.0 for labels in decided]
        notes = [""] * (len(streams) + 1) + [f"{share:.0%} right" for share in right]
        for axes, picture, note in zip(row, pictures, notes, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_xlabel(note, fontsize=8, color=INK, labelpad=2)
            bare(axes)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=10, color=INK)
    _draw_legend(figure, source)
    save(figure, folder / "decisions.png")
    return ReportImage(
        "decisions.png",
        "Decisions on test frames",
        "Frames spread over the test set: what the network is given, the truth, and what it decides. In depth near is "
        "bright and a missing reading grey; black in the truth is unknown. Below each decision is its share of right "
        "pixels.",
        "Figures 6 and 7 of the NeurIPS 2020 paper.",
    )


def _draw_legend(figure: Figure, source: FrameSource) -> None:
    """Name the colours of the classes below the panels."""
    patches = [
        Patch(facecolor=(r / 255, g / 255, b / 255), edgecolor=GREY, linewidth=0.4, label=name)
        for name, (r, g, b) in zip(source.classes, source.palette, strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(12, len(patches)), frameon=False, fontsize=8)
