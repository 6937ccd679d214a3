"""Averaged feature maps of the channels that one stream gives away, and of those that all streams keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from crosswire.training.models import exchanging_norms
from crosswire.training.models.exchange import PrivateNorm2d
from crosswire.training.report.factors import short_names
from crosswire.training.report.layers import StreamLayers
from crosswire.training.report.style import INK, ReportImage, bare, save

_LAYERS = 2


@dataclass(frozen=True)
class ChannelClass:
    """A kind of channel.

    Attributes:
        title: what is true of its γ.
        channels: bool [C].
    """

    title: str
    channels: NDArray[np.bool_]


def channel_classes(norm: PrivateNorm2d, streams: tuple[str, ...]) -> list[ChannelClass]:
    """Sort the channels of a layer: exchanged in one stream alone, in none.

    Channels that several streams exchange, possible without disjoint sub-parts, are in no class.
    """
    masks = torch.stack(norm.masks()).numpy()
    lonely = masks.sum(0) == 1
    classes = []
    for stream, name in enumerate(streams):
        others = ", ".join(f"γ {other} > 0" for other in streams if other != name)
        classes.append(ChannelClass(f"γ {name} ≈ 0, {others}", masks[stream] & lonely))
    return [*classes, ChannelClass(", ".join(f"γ {name} > 0" for name in streams), ~masks.any(0))]


def normed_maps(network: nn.Module, inputs: list[Tensor], layers: list[str]) -> dict[str, list[Tensor]]:
    """Return what every stream's own norm puts out in some layers, before the exchange: M tensors [C, h, w] each.

    Args:
        network: in evaluation mode.
        inputs: one sample, [1, C, H, W] per stream.
        layers: names of exchanging norms.
    """
    norms = exchanging_norms(network)
    maps: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    handles = [
        norm.register_forward_hook(lambda _, __, out, layer=layer: maps[layer].append(out[0].detach()))
        for layer in layers
        for norm in norms[layer].norms
    ]
    try:
        with torch.inference_mode():
            network(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return maps


def telling_layers(layers: StreamLayers) -> list[str]:
    """Return an early and a middle layer, those that have channels of the most kinds among their like.

    The second half of the layers, whose maps are few pixels wide, is left aside.
    """
    norms = layers.exchanging
    filled = {
        name: sum(bool(group.channels.any()) for group in channel_classes(norm, layers.streams))
        for name, norm in norms.items()
    }
    names = list(norms)[: -(-len(norms) // 2)]
    parts = np.array_split(np.asarray(names), min(_LAYERS, len(names)))
    return [max((str(name) for name in part), key=lambda name: filled[name]) for part in parts]


def draw_features(
    network: nn.Module,
    layers: StreamLayers,
    inputs: list[Tensor],
    shown: Mapping[str, NDArray[np.uint8]],
    folder: Path,
) -> ReportImage:
    """Draw the averaged maps of one frame: a row per layer and stream, a column per class of channels.

    Args:
        network: in evaluation mode.
        layers: those of its layers that are looked at.
        inputs: one sample, [1, C, H, W] per input of the network.
        shown: what every stream sees, or makes, [H, W, 3] by its name.
        folder: where the figure is written.
    """
    streams, norms = layers.streams, layers.exchanging
    telling = telling_layers(layers)
    labels = dict(zip(norms, short_names(list(norms)), strict=True))
    maps = normed_maps(network, inputs, telling)
    columns, rows = 2 + len(streams), len(telling) * len(streams)
    height, width = shown[streams[0]].shape[:2]
    ratio = height / width
    figure = Figure(figsize=(2.4 * columns, (2.4 * ratio + 0.25) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, layer in enumerate(telling):
        classes = channel_classes(norms[layer], streams)
        for stream, name in enumerate(streams):
            row = grid[place * len(streams) + stream]
            row[0].imshow(shown[name])
            row[0].set_ylabel(f"{name}, {labels[layer]}", fontsize=8, color=INK)
            for axes, group in zip(row[1:], classes, strict=True):
                _draw_class(axes, group, maps[layer], stream)
    for axes in grid.flat:
        bare(axes)
    save(figure, folder / layers.file("feature_maps"))
    return ReportImage(
        layers.file("feature_maps"),
        layers.title("What exchanged channels see"),
        "Feature maps of one test frame after each stream's own norm and before the exchange, averaged over the "
        "channels of a kind; in every layer the same colours mean the same values within a column. Where a stream's γ "
        "is near zero its own map is flat, whatever it sees; the exchange puts the other stream's map in its place.",
        "Figure 3 of the NeurIPS 2020 paper.",
    )


def _draw_class(axes: Axes, group: ChannelClass, maps: list[Tensor], stream: int) -> None:
    """Draw the averaged map of one kind of channels for one stream, on a scale that all streams share."""
    count = int(group.channels.sum())
    if stream == 0:
        axes.set_title(f"{group.title} ({count})", fontsize=8, color=INK)
    if not count:
        axes.imshow(np.ones_like(maps[stream][0].numpy()), cmap="Greys", vmin=0, vmax=20)
        axes.text(0.5, 0.5, "no such channel", ha="center", va="center", fontsize=8, transform=axes.transAxes)
        return
    chosen = torch.from_numpy(group.channels)
    means = [x[chosen].mean(0).numpy() for x in maps]
    axes.imshow(means[stream], cmap="magma", vmin=min(m.min() for m in means), vmax=max(m.max() for m in means))
