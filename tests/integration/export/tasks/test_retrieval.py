"""Runs of retrieval as two networks, one per embedder, each answering with the vectors of the live network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from crosswire.contract import Contract, ContractError
from crosswire.export.__main__ import main
from crosswire.export.build import build, export_run
from crosswire.export.parity import onnx_runner
from crosswire.export.place import BuildError
from crosswire.export.tasks.exporter import ExportRequest
from crosswire.export.tasks.retrieval.servable import EmbedderServable, FrozenEmbedder
from crosswire.training.tasks.retrieval.evaluate import Run
from tests.support.training.feature_files import IMAGE, VIDEO, random_run

EMBEDDERS = {"video": VIDEO, "image": IMAGE}
#: A size that both are mapped to, in the place of one alone, of none; and no biases.
COMMON = ("network.common=10", f"network.common={VIDEO}", "network.common=0", "network.fusion.bias=false")


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Return a function that writes a run with random weights and some settings."""
    return partial(random_run, tmp_path_factory.mktemp("retrieval"))


def given(size: int, count: int) -> np.ndarray:  # type: ignore[type-arg]
    """Return random features."""
    return np.random.default_rng(size).normal(size=(count, size)).astype(np.float32)


@pytest.mark.parametrize("common", COMMON)
def test_each_embedder_is_a_network_that_answers_as_pytorch_does(
    common: str, make: Callable[..., Run], tmp_path: Path
) -> None:
    run = make(common)
    contracts = export_run(run, ExportRequest("clips", max_batch=4), tmp_path)
    assert [contract.name for contract in contracts] == ["clips_video", "clips_image"]
    for place, (contract, (embedder, size)) in enumerate(zip(contracts, EMBEDDERS.items(), strict=True)):
        folder = tmp_path / contract.name
        assert Contract.load(folder) == contract and contract.task == "retrieval"
        assert [(spec.name, spec.shape) for spec in contract.inputs] == [(f"{embedder}_features", (size,))]
        dims = 10 if common == COMMON[0] else VIDEO if common == COMMON[1] else IMAGE
        assert [(spec.name, spec.shape) for spec in contract.outputs] == [("embedding", (dims,))]
        served = onnx_runner(contract.verify(folder))
        for count in (1, 4):
            features = given(size, count)
            (vectors,) = served([features])
            with torch.inference_mode():
                live = run.network.embed(place, torch.from_numpy(features)).numpy()
            np.testing.assert_allclose(vectors, live, atol=1e-5)
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_contract_has_what_was_proven_and_scored(make: Callable[..., Run], tmp_path: Path) -> None:
    contract = build(make(), "clips", None, tmp_path)
    assert {proof.stage for proof in contract.parity} == {"frozen", "onnx"}
    assert {proof.inputs for proof in contract.parity} == {
        "8 of activitynet, test videos",
        "noise, batches of 1, 2, 3",
    }
    (evaluation,) = contract.evaluation
    assert evaluation.inputs == "activitynet, 30 test videos by 60 images"
    assert evaluation.metric == "mAP@10" and evaluation.live == evaluation.served
    assert contract.metrics["mAP@10"] == pytest.approx(evaluation.live)
    assert contract.macs_frozen == VIDEO * IMAGE < contract.macs_live


def test_frozen_is_one_matrix_and_nothing_that_only_training_needs(make: Callable[..., Run], tmp_path: Path) -> None:
    build(make("network.common=10"), "clips", None, tmp_path)
    for name, size in EMBEDDERS.items():
        graph = onnx.load(tmp_path / f"clips_{name}/1/model.onnx").graph
        weights = [tensor for tensor in graph.initializer if len(tensor.dims) == 2]
        assert [sorted(tensor.dims) for tensor in weights] == [[10, size]]


def test_nothing_but_zeros_has_no_direction_and_is_answered_as_pytorch_answers_it(make: Callable[..., Run]) -> None:
    live = EmbedderServable(make(COMMON[3]).network.eval(), "image").eval()
    zeros = torch.zeros(2, IMAGE)
    with torch.inference_mode():
        assert torch.equal(FrozenEmbedder(live)(zeros)[0], live(zeros)[0])
        assert torch.equal(live(zeros)[0], zeros)


def test_two_folders_are_written_or_none(make: Callable[..., Run], tmp_path: Path) -> None:
    run = make("seed=9")
    with torch.no_grad():
        run.network.gmf.splits[1].invariant.weight[0, 0] = float("nan")  # the first of the two is in order
    with pytest.raises(ContractError, match=r"clips_image: frozen output 'embedding' .* nan, outside the tolerance"):
        build(run, "clips", None, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_features_of_another_size_are_refused_with_the_run(make: Callable[..., Run], tmp_path: Path) -> None:
    run = make("network.video=7")
    with pytest.raises(BuildError, match=r"run .*: the features have 24 and 12 values; set network.video=24"):
        build(run, "clips", None, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_the_commands_write_describe_and_time_both(
    make: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make()
    assert main(["export", str(run.folder), "--name", "clips", "--to", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "clips_video: retrieval, fp32, batch 1..8" in said and "clips_image: retrieval" in said
    assert f"written: {tmp_path / 'clips_video'}, {tmp_path / 'clips_image'}\nnext: crosswire serve" in said
    assert "feature of a video, averaged over its clips, of the extractor of the training data" in said
    assert main(["inspect", str(tmp_path / "clips_image"), "--repeats", "1"]) == 0
    assert "served fp32" in capsys.readouterr().out
    assert (tmp_path / "clips_image.html").is_file()
