"""Networks of Cityscapes, of depth and of disparity, from two steps of training to the labels that a server answers."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crosswire.__main__ import main
from crosswire.clients import Predictor
from crosswire.contract import Contract, Geometry
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.datasets.cityscapes.classes import CITYSCAPES_CLASSES, CITYSCAPES_PALETTE, LABEL_IDS
from crosswire.training.engine.run_folder import read_metrics, read_run
from crosswire.training.modalities import modalities
from crosswire.training.models import exchanged_share
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.losses import upsample
from tests.support.training.cityscapes import HEIGHT, STREETS, WIDTH, place, write_streets

STEP = (
    *("network.name=pspnet14", "network.width=8", "network.features=8", "network.dropout=0", "data.shorter_side=0"),
    *("data.height=32", "data.width=48", "data.batch=2", "steps=2", "val_every=2", "optimiser.clip=2"),
)
#: The second one fuses by weighted sums; half of the channels that it may replace are.
KINDS = {
    "depth": (),
    "disparity": ("data.disparity=true", "network.fusion=weighted", "network.threshold=0.5", "network.gamma_low=0"),
}
FRAME = STREETS["val"][0]


@dataclass(frozen=True)
class Served:
    """Streets, runs that were trained on them, and a server of what they were exported as."""

    streets: Path
    runs: Path
    networks: Path
    server: EmbeddedServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Train two steps of both kinds, which scores them, export and serve them, by the commands that a user gives."""
    folder = tmp_path_factory.mktemp("cityscapes")
    streets = write_streets(folder / "streets")
    for kind, settings in KINDS.items():
        run = str(folder / "runs" / kind)
        words = [f"--set={one}" for one in (*STEP, *settings)]
        assert main(["train", "cityscapes-pspnet101", "--data", str(streets), "--to", run, "--quiet", *words]) == 0
        words = ["--name", kind, "--size", f"{HEIGHT}x{WIDTH}", "--to", str(folder / "networks")]
        assert main(["export", run, *words]) == 0
    with EmbeddedServer(folder / "networks") as server:
        yield Served(streets, folder / "runs", folder / "networks", server)


def sent_depth(served: Served, kind: str) -> bytes:
    """Return what a client sends: the data set's own file of disparity, or metres as floats."""
    if kind == "disparity":
        return place(served.streets, "disparity", "val", FRAME, "disparity.png").read_bytes()
    config = read_run(served.runs / kind).config
    assert isinstance(config, SegmentationConfig)
    file = io.BytesIO()
    np.save(file, frames(config.data, "val")[0].pictures["depth"])
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_streets_is_served_as_it_was_trained_with_the_official_label_ids(
    served: Served, kind: str
) -> None:
    run = read_run(served.runs / kind)
    frame = frames(run.config.data, "val")[0]
    inputs = [torch.from_numpy(m.normalise(frame.pictures[m.name]))[None] for m in modalities(run.config.network)]
    with torch.inference_mode():
        expected = upsample(run.network.eval()(*inputs).ensemble, (HEIGHT, WIDTH)).argmax(1)[0].numpy()
    rgb = place(served.streets, "leftImg8bit", "val", FRAME, "leftImg8bit.png").read_bytes()
    with Predictor(served.server.grpc_url) as predictor:
        found = predictor.segment(rgb, sent_depth(served, kind), pipeline=f"{kind}_image")
    assert found.class_names == CITYSCAPES_CLASSES
    assert (found.labels == expected).mean() > 0.97
    stored = np.asarray(Image.open(io.BytesIO(found.labels_png)))
    np.testing.assert_array_equal(stored, np.asarray(LABEL_IDS)[found.labels])


def test_contracts_say_how_disparity_is_stored_and_which_values_labels_have(served: Served) -> None:
    contracts = {kind: Contract.load(served.networks / kind) for kind in KINDS}
    for contract in contracts.values():
        assert (contract.classes, contract.palette) == (CITYSCAPES_CLASSES, CITYSCAPES_PALETTE)
        assert contract.label_values == LABEL_IDS
    geometry = {kind: contract.inputs[1].geometry for kind, contract in contracts.items()}
    assert geometry == {"depth": None, "disparity": Geometry("disparity", 256.0, 0)}


def test_scores_are_of_the_validation_frames_and_the_weighted_channels_are_counted(served: Served) -> None:
    for kind in KINDS:
        metrics = read_metrics(served.runs / kind)
        assert metrics["scenes"] == len(STREETS["val"])
        assert set(metrics["scores"]) == {"ensemble", "rgb", "depth"}
        assert metrics["scores"]["ensemble"]["pixels"]["road"] > 0
    assert 0.3 < exchanged_share(read_run(served.runs / "disparity").network) < 0.7


def test_a_run_on_disparity_is_scored_on_disparity_wherever_streets_lie(served: Served, tmp_path: Path) -> None:
    run, moved = served.runs / "disparity", write_streets(tmp_path / "moved")
    shutil.rmtree(moved / "camera")
    assert main(["evaluate", str(run), "--data", str(moved), "--quiet"]) == 0
    again = json.loads((run / "metrics.moved.json").read_text(encoding="utf-8"))
    assert again["scores"] == read_metrics(run)["scores"]
