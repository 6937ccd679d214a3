"""Figures of the scaling factors: their way through the training, and each stream's proportion in the end."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crosswire.training.engine.gamma_log import Gammas
from crosswire.training.models.exchange import PrivateNorm2d, sub_parts
from crosswire.training.report.layers import StreamLayers
from crosswire.training.report.style import GREY, INK, PALE, ReportImage, colour, save, tidy

#: The papers look at the 8th of the layers that exchange.
_EIGHTH = 7


def eighth(layers: list[str]) -> str:
    """Return the 8th layer, or the last one of fewer."""
    return layers[min(_EIGHTH, len(layers) - 1)]


def watched(norm: PrivateNorm2d, *, restrict: bool) -> list[slice]:
    """Return per stream the channels whose γ matter: those under the L1 term, or else those that may be exchanged.

    Args:
        norm: the norms of all streams.
        restrict: whether a stream exchanges in its own sub-part alone.
    """
    halves = norm.penalise == "half" or (norm.penalise == "none" and restrict)
    return sub_parts(norm.channels, norm.streams) if halves else [slice(None)] * norm.streams


def draw_trajectories(layers: StreamLayers, log: Gammas, folder: Path) -> ReportImage:
    """Draw |γ| of one layer against the step, a panel per stream."""
    threshold = layers.threshold
    name = eighth(list(layers.norms))
    norm = layers.norms[name]
    parts = watched(norm, restrict=layers.restrict)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    below = recovered = total = 0
    for stream, (axes, part) in enumerate(zip(panels, parts, strict=True)):
        paths = log.sizes(name, stream, part)
        gone = paths <= threshold
        draw_paths(axes, log, paths, gone[-1], colour(stream))
        axes.axhline(threshold, color=INK, linewidth=0.9, linestyle="--", label=f"θ = {threshold:.3g}")
        title = f"{layers.streams[stream]}: {int(gone[-1].sum())} of {paths.shape[1]} end at or below θ"
        tidy(axes, title, "optimiser step", "|γ|" if stream == 0 else "")
        below, total = below + int(gone.any(0).sum()), total + paths.shape[1]
        recovered += int((gone.any(0) & ~gone[-1]).sum())
    panels[0].set_ylim(bottom=0)
    panels[-1].legend(frameon=False, fontsize=8, loc="upper right")
    save(figure, folder / layers.file("gamma_trajectories"))
    chosen = "that may be exchanged" if norm.penalise == "none" else "under the L1 term"
    return ReportImage(
        layers.file("gamma_trajectories"),
        layers.title("Scaling factors over the training"),
        f"|γ| in {name}, one line per channel {chosen}; coloured lines end at or below θ. "
        f"{below} of {total} channels were at or below θ at some step; {recovered} of them ended above it.",
        "Figure 5 of the NeurIPS 2020 paper: a γ close to zero hardly recovers (Theorem 1).",
    )


def draw_paths(axes: Axes, log: Gammas, paths: NDArray[np.float32], gone: NDArray[np.bool_], hue: str) -> None:
    """Draw one line per channel, those that end below the threshold on top.

    Args:
        axes: to draw on.
        log: the record that the paths are from.
        paths: |γ|, float32 [T, C].
        gone: whether a channel ends below the threshold, bool [C].
        hue: colour of those that do.
    """
    for index in np.argsort(gone, kind="stable"):
        axes.plot(log.steps, paths[:, index], color=hue if gone[index] else GREY, linewidth=0.8, alpha=0.75)
    axes.margins(x=0.01)


def draw_proportions(layers: StreamLayers, folder: Path) -> ReportImage:
    """Draw γ_m / Σ γ per channel for one layer and, on average per sub-part, for all layers."""
    streams, norms = layers.streams, layers.norms
    name = eighth(list(norms))
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(1, 1.15))
    shares = proportions(norms[name])
    floors = np.cumsum(shares, 0) - shares
    for stream, (share, floor) in enumerate(zip(shares, floors, strict=True)):
        top.bar(np.arange(share.size), share, 1.0, floor, color=colour(stream), label=streams[stream], linewidth=0)
    for part in sub_parts(shares.shape[1], len(streams))[1:]:
        top.axvline(part.start - 0.5, color="white", linewidth=2)
    top.set(xlim=(-0.5, shares.shape[1] - 0.5), ylim=(0, 1))
    tidy(top, name, "channel", r"$\gamma_m\ /\ \Sigma\,\gamma$")
    top.legend(ncols=len(streams), loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    own = [[float(x[m, part].mean()) for x, part in _own_parts(norms, m)] for m in range(len(streams))]
    draw_shares(bottom, list(norms), streams, own)
    bottom.axhline(1 / len(streams), color=INK, linewidth=0.8, linestyle="--")
    bottom.set_ylim(0, 1)
    tidy(
        bottom,
        f"mean in the own sub-part, every layer (dashed: 1/{len(streams)})",
        "",
        r"mean $\gamma_m\ /\ \Sigma\,\gamma$",
    )
    save(figure, folder / layers.file("gamma_proportions"))
    return ReportImage(
        layers.file("gamma_proportions"),
        layers.title("Which stream a channel belongs to"),
        f"Above: each stream's proportion of |γ| in every channel of {name}; white lines part the sub-parts of the "
        "streams. Below: the mean proportion that a stream keeps in its own sub-part, where the L1 term pushes it "
        "down. A proportion near 0 means that the channel is taken from the other streams.",
        "Figures 11 and 12 of the NeurIPS 2020 paper: no sparsity, sparsity on all channels, and on disjoint ones.",
    )


def _own_parts(norms: dict[str, PrivateNorm2d], stream: int) -> list[tuple[NDArray[np.float32], slice]]:
    """Return the proportions of every layer, and which channels are a stream's own sub-part."""
    return [(proportions(norm), sub_parts(norm.channels, norm.streams)[stream]) for norm in norms.values()]


def draw_shares(axes: Axes, layers: list[str], streams: tuple[str, ...], values: list[list[float]]) -> None:
    """Draw one bar per layer and stream.

    Args:
        axes: to draw on.
        layers: names of all layers.
        streams: names of all streams.
        values: per stream one value per layer.
    """
    places, width = np.arange(len(layers)), 0.8 / len(streams)
    for stream, heights in enumerate(values):
        offset = (stream - (len(streams) - 1) / 2) * width
        axes.bar(places + offset, heights, width, color=colour(stream), label=streams[stream])
    axes.set_xticks(places, short_names(layers), rotation=90 if len(layers) > 10 else 0)
    axes.grid(axis="y", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)


def proportions(norm: PrivateNorm2d) -> NDArray[np.float32]:
    """Return |γ_m| / Σ |γ| of a layer, float32 [M, C]; equal parts where all are 0."""
    factors: NDArray[np.float32] = np.stack([gamma.detach().abs().numpy() for gamma in norm.gammas])
    total = factors.sum(0)
    return np.where(total > 0, factors / np.where(total > 0, total, 1), 1 / len(factors)).astype(np.float32)


def short_names(layers: list[str]) -> list[str]:
    """Return layer names without `encoder.` or `decoder.` and without the last words that all of them share."""
    words = [name.removeprefix("encoder.").removeprefix("decoder.").split(".") for name in layers]
    backwards = zip(*(word[:0:-1] for word in words), strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, backwards))
    return [".".join(word[: len(word) - shared] if len(layers) > 1 else word) for word in words]
