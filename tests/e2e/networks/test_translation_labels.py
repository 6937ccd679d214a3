"""Labels beside other outputs: learnt by cross-entropy, scored by IoU, exported, served and read by the client."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from crosswire.clients import Predictor
from crosswire.contract import Contract
from crosswire.export.build import build
from crosswire.export.parity import torch_runner
from crosswire.export.tasks.translation.exporter import samples_of
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.rooms import CLASSES, PALETTE, render
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_metrics, read_run
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.translation.config import TranslatorConfig
from crosswire.training.tasks.translation.data import eval_transform
from crosswire.training.tasks.translation.domains import codec, codecs
from crosswire.training.tasks.translation.evaluate import TranslationRun, format_scores, score
from crosswire.training.tasks.translation.images import RoomImages
from crosswire.training.tasks.translation.losses import CERTAINTY, task_error
from crosswire.training.tasks.translation.metrics import ImageMetrics
from crosswire.training.tasks.translation.module import TranslationTask
from tests.integration.training.tasks.test_translation_training import TINY

SIZE = (32, 48)
NETWORK = TranslatorConfig(inputs=("rgb",), outputs=("depth", "labels"), decoders=(0, 1), classes=len(CLASSES))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TranslationRun:
    """A tiny network of depth and labels, hardly trained."""
    folder = tmp_path_factory.mktemp("labels")
    fit(override(preset("rooms-multitask-labels"), [*TINY, "steps=60", "val_every=30"]), folder, progress=False)
    found: TranslationRun = read_run(folder)
    return found


@pytest.fixture(scope="module")
def repository(run: TranslationRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with its graph."""
    folder = tmp_path_factory.mktemp("repository")
    build(run, "tiny", SIZE, folder, max_batch=2)
    return folder


@pytest.fixture(scope="module")
def served(repository: Path) -> Iterator[EmbeddedServer]:
    """A server of it."""
    with EmbeddedServer(repository) as running:
        yield running


def test_the_objective_is_the_error_of_depth_and_the_cross_entropy_of_labels() -> None:
    torch.manual_seed(0)
    made = torch.rand(4, len(CLASSES), 4, 6) * 2 - 1
    depth, labels = torch.rand(2, 3, 4, 6), torch.randint(0, len(CLASSES), (2, 1, 4, 6)).float().expand(-1, 3, -1, -1)
    found = task_error(made, torch.cat([depth, labels]), codecs(NETWORK.outputs, NETWORK), 100.0, 10.0)
    wanted = 100 * (made[:2, :3] - depth).abs().mean()
    wanted = wanted + 10 * F.cross_entropy(CERTAINTY * made[2:], labels[:, 0].long())
    torch.testing.assert_close(found, wanted)


def test_labels_are_learnt_beside_depth(run: TranslationRun) -> None:
    torch.manual_seed(0)
    task = TranslationTask(run.config)
    config = dataclasses.replace(run.config.data, batch=4)
    views = [eval_transform(config)(RoomImages(run.config.network, config.seed, 4, SIZE)[i], 0) for i in range(4)]
    code = codec("labels", run.config.network)
    rgb = torch.stack([torch.from_numpy(codec("rgb", run.config.network).encode(view["rgb"])) for view in views])
    truth = torch.stack([torch.from_numpy(code.encode(view["true labels"])) for view in views])[:, 0].long()
    with torch.no_grad():
        fresh, learnt = (net.train()(rgb).answers.chunk(2)[1] for net in (task.network, read_run(run.folder).network))
    before, after = (float(F.cross_entropy(CERTAINTY * made, truth)) for made in (fresh, learnt))
    assert after < 0.8 * before


def test_labels_stay_whole_when_a_view_is_resized() -> None:
    view = RoomImages(NETWORK, 1, 1, SIZE)[0]
    np.testing.assert_array_equal(view["true labels"], render(1, 0, *SIZE).labels)
    config = override(preset("rooms-multitask-labels"), [*TINY, "data.eval_size=resize", "data.height=48"]).data
    changed = eval_transform(config)(view, 0)
    assert list(changed) == list(view) and changed["true labels"].shape == (48, 48)
    assert set(np.unique(changed["true labels"])) <= set(np.unique(view["true labels"]))


def test_labels_are_scored_by_their_iou_and_depth_by_its_error(run: TranslationRun) -> None:
    metrics = ImageMetrics(NETWORK)
    truth = torch.zeros(2, 3, 4, 4)
    truth[1] = 2
    made = torch.zeros(2, len(CLASSES), 4, 4)
    made[0, :3], made[1, 2] = 0.25, 1.0
    made[1, 5, 0] = 2.0  # a quarter is taken for another class
    network = read_run(run.folder).network
    metrics.update(network(torch.zeros(1, 3, 32, 48))._replace(answers=made, flows=made), truth)
    found = metrics.compute()
    assert found["depth"]["mae"] == 0.25
    assert found["labels"] == pytest.approx({"mean_iou": 0.375, "mean_accuracy": 0.75, "pixel_accuracy": 0.75})
    printed = format_scores(score(run, progress=False))
    assert "mean_iou" in printed and "a constant colour" in printed
    assert set(read_metrics(run.folder)["scores"]["labels"]) == {"mean_iou", "mean_accuracy", "pixel_accuracy"}


def test_a_report_paints_labels_and_tensors_have_a_score_per_class(run: TranslationRun, tmp_path: Path) -> None:
    assert main(["report", str(run.folder)]) == 0
    assert (run.folder / "report" / "pictures.png").stat().st_size > 1000
    np.savez(tmp_path / "in.npz", rgb=np.zeros((1, 3, *SIZE), np.float32))
    command = ["infer", str(run.folder), "--tensors", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz")]
    assert main(command) == 0
    with np.load(tmp_path / "out.npz") as made:
        shapes = {name: made[name].shape for name in made.files}
    assert shapes == {"predicted_depth": (1, 3, *SIZE), "predicted_labels": (1, len(CLASSES), *SIZE)}


def test_the_rooms_refuse_another_number_of_classes() -> None:
    with pytest.raises(ConfigError, match=r"the rooms have 12 classes; set network.classes=12"):
        RoomImages(dataclasses.replace(NETWORK, classes=7), 1, 1, SIZE)


def test_a_client_gets_the_labels_of_pytorch_with_their_names(
    served: EmbeddedServer, repository: Path, run: TranslationRun
) -> None:
    contract = Contract.load(repository / "tiny")
    assert contract.classes == CLASSES and contract.palette == PALETTE
    assert [(spec.name, spec.dtype, spec.shape) for spec in contract.outputs] == [
        ("predicted_depth", "FP32", SIZE),
        ("predicted_labels", "UINT8", SIZE),
    ]
    assert {one.metric for one in contract.evaluation} == {"mae of predicted_depth", "mean_iou of predicted_labels"}
    ((raw, _),) = samples_of(run, contract.inputs, 1)
    _, wanted = torch_runner(TranslationServable(run.network, run.config.network).eval())(raw)
    with Predictor(served.grpc_url) as predictor:
        found = predictor.translate({"rgb": raw[0][0].numpy()})
        assert predictor.named_pipeline("tiny_image").classes == CLASSES
    labels = found.image("labels")
    assert labels.mode == "P" and labels.getpalette()[: 3 * len(PALETTE)] == [x for rgb in PALETTE for x in rgb]
    assert (np.asarray(labels) == wanted[0]).mean() > 0.99
    most = CLASSES[int(np.bincount(wanted.ravel()).argmax())]
    assert next(iter(found.shares)) == most and sum(found.shares.values()) == pytest.approx(1, abs=1e-4)
    assert found.metres().shape == SIZE
