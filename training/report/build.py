"""From a run folder to its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from crosswire.training.config import ConfigError
from crosswire.training.datasets.frames import FrameSource
from crosswire.training.engine.classes import check_classes
from crosswire.training.engine.gamma_log import Gammas, read_gammas
from crosswire.training.engine.run_folder import Run, read_metrics
from crosswire.training.modalities import modalities
from crosswire.training.models import exchanging_norms, sparse_norms
from crosswire.training.models.count import parameters
from crosswire.training.report import decisions, exchanged, factors, features
from crosswire.training.report.decisions import Sample
from crosswire.training.report.layers import StreamLayers
from crosswire.training.report.page import FOLDER, Page, spread, write_page
from crosswire.training.report.style import ReportImage
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.evaluate import score
from crosswire.training.tasks.segmentation.transforms import eval_transform

NO_RECORD = "Scaling factors and exchange over the training: the run holds no record of it (gammas.npz)."
_FRAMES = 6


def write_report(run: Run) -> Path:
    """Draw all that a run has to show into its folder `report`, and return the page.

    A run that was never scored is scored first. What cannot be shown, for want of frames or of a record of the
    training, is left out, and the page says why.
    """
    folder = run.folder / FOLDER
    folder.mkdir(exist_ok=True)
    left_out: list[str] = []
    source = _test_frames(run, left_out)
    metrics = read_metrics(run.folder) or (score(run) if source else {})
    network = run.config.network
    pictures = [
        *_drawn_from_frames(run, source, folder),
        *_drawn_from_factors(run, read_gammas(run.folder), folder, left_out),
    ]
    facts = [
        network.name,
        " + ".join(network.streams),
        f"{network.classes} classes",
        f"{parameters(run.network):,} parameters",
        f"preset {run.config.preset}",
        f"{run.config.steps} steps on {run.config.data.name}",
    ]
    return write_page(run.folder, Page(f"Run {run.folder.resolve().name}", facts, metrics, pictures, left_out))


def _test_frames(run: Run, left_out: list[str]) -> FrameSource | None:
    """Return the test frames of a run, or None where there are none."""
    try:
        source = frames(run.config.data, "test")
        check_classes(run.config, source)
    except ConfigError as error:
        left_out.append(f"Scores, feature maps and decisions: {error}.")
        return None
    if not len(source):
        left_out.append("Scores, feature maps and decisions: the run's data set has no test frames.")
        return None
    return source


def _drawn_from_frames(run: Run, source: FrameSource | None, folder: Path) -> list[ReportImage]:
    """Draw what takes test frames."""
    if source is None:
        return []
    samples = [_sample(run, source, index) for index in spread(len(source), _FRAMES)]
    pictures = [decisions.draw_decisions(run, samples, source, folder)]
    if exchanging_norms(run.network):
        richest = max(samples, key=lambda sample: len(np.unique(sample.labels)))
        pictures.append(features.draw_features(run.network, _layers(run), richest.inputs, richest.shown, folder))
    return pictures


def _drawn_from_factors(run: Run, log: Gammas | None, folder: Path, left_out: list[str]) -> list[ReportImage]:
    """Draw what takes scaling factors."""
    if not sparse_norms(run.network):
        left_out.append("Scaling factors and exchange: this network exchanges no channel and has no L1 term.")
        return []
    if log is None:
        left_out.append(NO_RECORD)
    return drawn_from_layers(_layers(run), log, folder)


def drawn_from_layers(layers: StreamLayers, log: Gammas | None, folder: Path) -> list[ReportImage]:
    """Draw the scaling factors and the exchange of layers with the same streams, over the training where it is known.

    Args:
        layers: the layers.
        log: the record of the training, or None.
        folder: where the figures are written.
    """
    exchanges = bool(layers.exchanging)
    pictures = [exchanged.draw_layers(layers, folder)] if exchanges else []
    if log is not None:
        pictures += [exchanged.draw_steps(layers, log, folder)] if exchanges else []
        pictures.append(factors.draw_trajectories(layers, log, folder))
    return [*pictures, factors.draw_proportions(layers, folder)]


def _layers(run: Run) -> StreamLayers:
    """Return the layers of a segmentation, which all have its streams."""
    network = run.config.network
    return StreamLayers(network.streams, sparse_norms(run.network), network.threshold, network.restrict)


def _sample(run: Run, source: FrameSource, index: int) -> Sample:
    """Make one test frame ready to be shown, at the size at which it is scored."""
    frame = eval_transform(run.config.data)(source[index])
    streams = modalities(run.config.network)
    return Sample(
        [torch.from_numpy(m.normalise(frame.pictures[m.name])).unsqueeze(0) for m in streams],
        {m.name: decisions.show(m, frame.pictures[m.name]) for m in streams},
        frame.labels,
    )
