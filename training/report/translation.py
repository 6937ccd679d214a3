"""What a generator has to show: its images beside the truth, and what it exchanges."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from crosswire.media.palettes import spread_palette
from crosswire.training.engine.gamma_log import read_gammas
from crosswire.training.engine.run_folder import read_metrics
from crosswire.training.models import sparse_norms
from crosswire.training.models.count import parameters
from crosswire.training.models.exchange import PrivateNorm2d
from crosswire.training.report.build import NO_RECORD, drawn_from_layers
from crosswire.training.report.features import draw_features
from crosswire.training.report.layers import StreamLayers
from crosswire.training.report.page import FOLDER, Page, spread, write_page
from crosswire.training.report.style import INK, ReportImage, bare, save
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.data import eval_transform
from crosswire.training.tasks.translation.domains import Codec, codec
from crosswire.training.tasks.translation.evaluate import TranslationRun, format_scores, score
from crosswire.training.tasks.translation.images import TRUE, ImageSource, images

_VIEWS = 6


def write_report(run: TranslationRun) -> Path:
    """Draw all that a run has to show into its folder `report`, and return the page."""
    folder = run.folder / FOLDER
    folder.mkdir(exist_ok=True)
    network, left_out = run.config.network, list[str]()
    source = images(run.config.data, network, "test")
    metrics, log = read_metrics(run.folder), read_gammas(run.folder)
    drawn: list[ReportImage] = []
    if len(source):
        metrics = metrics or score(run)
        drawn.append(_draw_views(run, source, folder, format_scores(metrics)))
    else:
        left_out.append("Images, errors and feature maps: the run's data set has no test images.")
    groups = layer_groups(run)
    for layers in groups:
        if len(source) and layers.exchanging:
            drawn.append(_draw_features(run, source, layers, folder))
        drawn += drawn_from_layers(layers, log, folder)
    if not groups:
        left_out.append("Scaling factors and exchange: this network exchanges no channel and has no L1 term.")
    elif log is None:
        left_out.append(NO_RECORD)
    facts = [
        network.name,
        f"{' + '.join(network.inputs)} to {' + '.join(network.outputs)}{', in a cycle' if network.cycle else ''}",
        f"{parameters(run.network):,} parameters",
        f"preset {run.config.preset}",
        f"{run.config.steps} steps on {run.config.data.name}",
    ]
    return write_page(run.folder, Page(f"Run {run.folder.resolve().name}", facts, {}, drawn, left_out))


def layer_groups(run: TranslationRun) -> list[StreamLayers]:
    """Return the layers with the same streams: inputs of each task in the encoder, tasks in the decoder."""
    network = run.config.network
    groups: dict[tuple[str, tuple[str, ...]], dict[str, PrivateNorm2d]] = {}
    for name, norm in sparse_norms(run.network).items():
        task = re.search(r"\.parts\.(\d+)$", name)
        if name.startswith("decoder."):
            key = "decoder", network.outputs
        elif task:
            key = f"encoder, to {network.outputs[int(task[1])]}", network.tasks[int(task[1])]
        else:
            key = "encoder", network.tasks[0]
        groups.setdefault(key, {})[name] = norm
    return [
        StreamLayers(streams, norms, network.threshold, network.restrict, where if len(groups) > 1 else "")
        for (where, streams), norms in groups.items()
    ]


def _draw_features(run: TranslationRun, source: ImageSource, layers: StreamLayers, folder: Path) -> ReportImage:
    """Draw what exchanged channels see in the first test view."""
    network = run.config.network
    view = eval_transform(run.config.data)(source[0], 0)
    raw = {name: view[name] if name in network.inputs else view[f"{TRUE}{name}"] for name in layers.streams}
    seen = {name: shown(codec(name, network), picture) for name, picture in raw.items()}
    return draw_features(run.network, layers, _encoded(network, view), seen, folder)


def translate(run: TranslationRun, view: dict[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Return the raw images of all outputs for the raw inputs of one view."""
    network = run.config.network
    with torch.inference_mode():
        answers = run.network(*_encoded(network, view)).answers.numpy()
    return [codec(name, network).decode(answer) for name, answer in zip(network.outputs, answers, strict=True)]


def _encoded(network: TranslatorConfig, view: dict[str, NDArray[np.generic]]) -> list[Tensor]:
    """Return the inputs of a network for one view, [1, C, H, W] each."""
    return [torch.from_numpy(codec(name, network).encode(view[name]))[None] for name in network.inputs]


def shown(code: Codec, raw: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a raw image as bytes to look at [H, W, 3]; near is bright, classes have colours of their own."""
    if code.domain.is_labels:
        return np.asarray(spread_palette(code.classes), np.uint8)[np.asarray(raw, np.intp)]
    if code.domain.is_depth:
        raw = np.rint((1 - code.encode(raw)[0]) * 127.5).astype(np.uint8)[..., None]
    return np.broadcast_to(np.asarray(raw, np.uint8), (*raw.shape[:2], 3))


def _draw_views(run: TranslationRun, source: ImageSource, folder: Path, scores: str) -> ReportImage:
    """Draw inputs, truth and answers, a row per view."""
    network = run.config.network
    titles = [*network.inputs]
    for name in network.outputs:
        titles += [f"{name}, true", f"{name}, made"]
    rows = spread(len(source), _VIEWS)
    at_scored_size = eval_transform(run.config.data)
    views = [at_scored_size(source[index], 0) for index in rows]
    height, width = next(iter(views[0].values())).shape[:2]
    figure = Figure(figsize=(12, 12 / len(titles) * (height / width + 0.06) * len(rows) + 0.5), layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes_row, view in zip(grid, views, strict=True):
        panels = [shown(codec(name, network), view[name]) for name in network.inputs]
        for name, made in zip(network.outputs, translate(run, view), strict=True):
            panels += [shown(codec(name, network), picture) for picture in (view[f"{TRUE}{name}"], made)]
        for axes, panel in zip(axes_row, panels, strict=True):
            axes.imshow(panel, interpolation="nearest")
            bare(axes)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9, color=INK)
    save(figure, folder / "pictures.png")
    return ReportImage(
        "pictures.png",
        "Translated test views",
        f"What the network is given, the truth, and what it makes. In depth near is bright. Errors: {scores}",
        "Figures 7 to 9 of the TPAMI paper.",
    )
