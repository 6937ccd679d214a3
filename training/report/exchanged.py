"""Figures of the exchanged share: per layer in the end, and over the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crosswire.training.engine.gamma_log import Gammas
from crosswire.training.models import PrivateNorm2d
from crosswire.training.models.exchange import share_of
from crosswire.training.report.factors import draw_shares, short_names
from crosswire.training.report.layers import StreamLayers
from crosswire.training.report.style import INK, PALE, ReportImage, colour, save, tidy


def draw_layers(layers: StreamLayers, folder: Path) -> ReportImage:
    """Draw which share of the channels that it may exchange every stream does exchange in every layer."""
    streams, norms = layers.streams, layers.exchanging
    total = share_of(norms.values())
    shares = [list(by_layer) for by_layer in zip(*map(exchanged_shares, norms.values()), strict=True)]
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots()
    draw_shares(axes, list(norms), streams, shares)
    axes.axhline(100 * total, color=INK, linewidth=0.9, linestyle="--", label=f"all layers {total:.1%}")
    axes.set_ylim(0, min(100, max(10, axes.get_ylim()[1])))
    tidy(axes, "", "", "exchanged channels, %")
    axes.legend(ncols=len(streams) + 1, loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    save(figure, folder / layers.file("exchanged_per_layer"))
    return ReportImage(
        layers.file("exchanged_per_layer"),
        layers.title("Exchanged channels per layer"),
        "Share of the channels that each stream may exchange that it does take from the other streams, from the first "
        f"layer to the last. Over all layers it is {total:.1%}.",
        "Figure A of the authors' answer to the NeurIPS reviews: upper layers exchange more.",
    )


def exchanged_shares(norm: PrivateNorm2d) -> list[float]:
    """Return per stream the exchanged share of the channels that it may exchange, in per cent; 0 of none."""
    pairs = zip(norm.masks(), norm.candidates(), strict=True)
    return [100 * int(mask.sum()) / most if most else 0.0 for mask, most in pairs]


def draw_steps(layers: StreamLayers, log: Gammas, folder: Path) -> ReportImage:
    """Draw the exchanged share against the step: per stream over all layers, and per layer over all streams."""
    streams, norms = layers.streams, layers.exchanging
    names = list(norms)
    candidates = np.asarray([norm.candidates() for norm in norms.values()])
    counts = np.stack([log.exchanged[name] for name in names], 1)
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    for stream, name in enumerate(streams):
        share = 100 * counts[:, :, stream].sum(1) / max(1, candidates[:, stream].sum())
        left.plot(log.steps, share, color=colour(stream), linewidth=1.6, label=name)
    share = 100 * counts.sum((1, 2)) / max(1, candidates.sum())
    left.plot(log.steps, share, color=INK, linewidth=1.0, linestyle="--", label="all streams")
    left.grid(color=PALE, linewidth=0.6)
    left.set_ylim(bottom=0)
    left.margins(x=0)
    tidy(left, "all layers", "optimiser step", "exchanged channels, %")
    left.legend(ncols=len(streams) + 1, loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    _draw_map(figure, right, names, log, 100 * counts.sum(2) / candidates.sum(1).clip(1))
    save(figure, folder / layers.file("exchanged_over_steps"))
    return ReportImage(
        layers.file("exchanged_over_steps"),
        layers.title("Exchanged channels over the training"),
        "How the exchange sets in. Left: exchanged share of the channels that may be exchanged, over all layers. "
        "Right: the same per layer, over all streams, the first layer at the bottom.",
    )


def _draw_map(figure: Figure, axes: Axes, layers: list[str], log: Gammas, shares: NDArray[np.float64]) -> None:
    """Draw the share per step and layer, [T, L] in per cent, as colours."""
    image = axes.pcolormesh(
        log.steps,
        np.arange(len(layers)),
        shares.T,
        cmap="viridis",
        vmin=0,
        vmax=max(10, shares.max()),
        shading="nearest",
    )
    stride = -(-len(layers) // 16)
    axes.set_yticks(np.arange(0, len(layers), stride), short_names(layers)[::stride])
    tidy(axes, "per layer", "optimiser step")
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.set_label("exchanged, %", fontsize=9, color=INK)
