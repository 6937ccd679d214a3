"""What a generator has to show: its images beside the truth, and what it exchanges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crosswire.media.palettes import spread_palette
from crosswire.training.engine.run_folder import read_metrics
from crosswire.training.models import exchanged_share, exchanging_norms
from crosswire.training.models.count import parameters
from crosswire.training.report.exchanged import exchanged_shares
from crosswire.training.report.page import FOLDER, Page, spread, write_page
from crosswire.training.report.style import INK, ReportImage, bare, colour, save, tidy
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
    metrics = read_metrics(run.folder)
    drawn: list[ReportImage] = []
    if len(source):
        metrics = metrics or score(run)
        drawn.append(_draw_views(run, source, folder, format_scores(metrics)))
    else:
        left_out.append("Pictures and errors: the run's data set has no test pictures.")
    if exchanging_norms(run.network):
        drawn.append(_draw_layers(run, folder))
    else:
        left_out.append("Exchange: this network exchanges no channel.")
    facts = [
        network.name,
        f"{' + '.join(network.inputs)} to {' + '.join(network.outputs)}{', in a cycle' if network.cycle else ''}",
        f"{parameters(run.network):,} parameters",
        f"preset {run.config.preset}",
        f"{run.config.steps} steps on {run.config.data.name}",
    ]
    return write_page(run.folder, Page(f"Run {run.folder.resolve().name}", facts, {}, drawn, left_out))


def translate(run: TranslationRun, view: dict[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Return the raw images of all outputs for the raw inputs of one view."""
    network = run.config.network
    inputs = [torch.from_numpy(codec(name, network).encode(view[name]))[None] for name in network.inputs]
    with torch.inference_mode():
        answers = run.network(*inputs).answers.numpy()
    return [codec(name, network).decode(answer) for name, answer in zip(network.outputs, answers, strict=True)]


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


def _draw_layers(run: TranslationRun, folder: Path) -> ReportImage:
    """Draw which share of the channels that it may exchange every flow does exchange in every layer."""
    norms = exchanging_norms(run.network)
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots()
    for index, norm in enumerate(norms.values()):
        shares = exchanged_shares(norm)
        for stream, share in enumerate(shares):
            place = index + (stream + 0.5) / len(shares) * 0.8 - 0.4
            axes.bar(place, share, width=0.8 / len(shares), color=colour(stream))
    names = [name.replace(".stages.", " ").replace(".norm", "").replace(".parts.", ", task ") for name in norms]
    axes.set_xticks(range(len(names)), names, rotation=60, fontsize=7)
    tidy(axes, "", "", "exchanged channels, %")
    save(figure, folder / "exchanged_per_layer.png")
    return ReportImage(
        "exchanged_per_layer.png",
        "Exchanged channels per layer",
        "Share of the channels that each flow may exchange that it does take from the others, a bar per flow. Over all "
        f"layers it is {exchanged_share(run.network):.1%}.",
        "Section 3.3 to 3.5 of the TPAMI paper: exchange among inputs in the encoder, among tasks in the decoder.",
    )
