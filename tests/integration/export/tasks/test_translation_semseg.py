"""Semantic segmentation as an image on its way to a client: colours in, class indices and a label picture out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosswire.clients.tasks.translation import translation_request
from crosswire.contract import Contract
from crosswire.export.build import build
from crosswire.export.parity import torch_runner
from crosswire.export.tasks.translation.exporter import samples_of
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.media.palettes import spread_palette
from crosswire.offline.exported import exported
from crosswire.offline.pipelines import Pipeline
from crosswire.training.datasets.rooms import CLASSES
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_metrics, read_run
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.evaluate import TranslationRun, score
from tests.integration.training.tasks.test_translation_training import TINY

SIZE = (32, 48)
CYCLE = (
    "network.inputs=rgb,depth,semseg",
    "network.outputs=rgb,depth,semseg",
    "network.cycle=true",
    "network.decoders=0,1,2",
    f"network.classes={len(CLASSES)}",
    "network.levels=3",
    "optimiser.adversarial=1",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TranslationRun:
    """A tiny cycle of colour, depth and classes after two steps against a discriminator."""
    folder = tmp_path_factory.mktemp("semseg")
    fit(override(preset("rooms-translate"), [*TINY, *CYCLE, "steps=2", "val_every=2"]), folder, progress=False)
    found: TranslationRun = read_run(folder)
    score(found, progress=False)
    return found


@pytest.fixture(scope="module")
def repository(run: TranslationRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with its graph."""
    folder = tmp_path_factory.mktemp("repository")
    build(run, "tiny", SIZE, folder, max_batch=2)
    return folder


@pytest.fixture(scope="module")
def pipeline(repository: Path) -> Iterator[Pipeline]:
    """The steps that a server would run."""
    opened = exported(repository).open()
    yield opened
    opened.close()


def test_a_cycle_with_semseg_trains_is_scored_and_exported(run: TranslationRun, repository: Path) -> None:
    scores = read_metrics(run.folder)["scores"]
    assert {"mae", "rmse", "mean_iou", "constant_mae"} <= set(scores["semseg"]) and "semseg from depth" in scores
    contract = Contract.load(repository / "tiny")
    assert (contract.classes, contract.palette) == (CLASSES, spread_palette(len(CLASSES)))
    given, made = contract.inputs[2], contract.outputs[2]
    assert (given.name, given.shape, given.unit) == ("semseg", (*SIZE, 3), "class colour 0..255")
    assert (made.name, made.shape, made.dtype, made.unit) == ("predicted_semseg", SIZE, "UINT8", "class index")
    assert made.valid_range == (0, len(CLASSES) - 1)
    assert "mean_iou of predicted_semseg" in {one.metric for one in contract.evaluation}
    assert ("onnx", "predicted_semseg") in {(one.stage, one.output) for one in contract.parity}


def test_a_client_gets_a_label_picture_and_may_send_it_back(
    run: TranslationRun, repository: Path, pipeline: Pipeline
) -> None:
    contract = Contract.load(repository / "tiny")
    ((raw, _),) = samples_of(run, contract.inputs, 1)
    rgb, depth, semseg = (tensor[0].numpy() for tensor in raw)
    wanted = torch_runner(TranslationServable(run.network, run.config.network).eval())(raw)
    found = pipeline.ask(translation_request({"rgb": rgb, "depth": depth, "semseg": semseg}))
    labels = found.image("semseg")  # type: ignore[attr-defined]
    palette = [value for colour in spread_palette(len(CLASSES)) for value in colour]
    assert labels.mode == "P" and labels.getpalette()[: len(palette)] == palette
    assert (np.asarray(labels) == wanted[2][0]).mean() > 0.99
    assert set(found.shares) <= set(CLASSES) and sum(found.shares.values()) == pytest.approx(1, abs=1e-4)  # type: ignore[attr-defined]
    again = pipeline.ask(translation_request({"rgb": rgb, "depth": depth, "semseg": labels}))
    as_colours = pipeline.ask(translation_request({"rgb": rgb, "depth": depth, "semseg": labels.convert("RGB")}))
    assert again.images == as_colours.images  # type: ignore[attr-defined]


def test_a_label_picture_of_another_size_is_not_blended(repository: Path, pipeline: Pipeline) -> None:
    """Every second pixel of one twice as large is the picture itself; blended, the answers would differ."""
    stripes = np.zeros((*SIZE, 3), np.uint8)
    stripes[:] = np.array(spread_palette(2), np.uint8)[np.arange(SIZE[1]) % 2]
    large = np.repeat(np.repeat(stripes, 3, 0), 3, 1)
    others = {"rgb": np.zeros_like(stripes), "depth": np.full(SIZE, 2, np.float32)}
    small = pipeline.ask(translation_request({**others, "semseg": Image.fromarray(stripes)}))
    scaled = pipeline.ask(translation_request({**others, "semseg": Image.fromarray(large)}))
    assert small.images == scaled.images  # type: ignore[attr-defined]
