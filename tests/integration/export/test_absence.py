"""Networks that were trained with streams absent: a graph per stream, each proven, and served."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import tritonclient.grpc
from PIL import Image

from crosswire.contract import Contract
from crosswire.export.__main__ import main
from crosswire.export.build import build
from crosswire.export.onnx_graph import example
from crosswire.export.tasks.segmentation.servable import SegmentationServable
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.engine.run_folder import Run, read_run, write_config, write_weights
from crosswire.training.modalities import MODALITIES
from crosswire.training.models import single_stream
from tests.integration.export.test_export import SIZE, exchanging_run  # noqa: F401  (a fixture)
from tests.support.servers.real import bytes_input


@pytest.fixture(scope="module")
def dropped_run(exchanging_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:  # noqa: F811
    """Return the run of a network whose training left out streams now and then."""
    folder = tmp_path_factory.mktemp("runs") / "dropped"
    write_config(folder, dataclasses.replace(exchanging_run.config, modality_dropout=0.2))
    write_weights(folder, exchanging_run.network.state_dict())
    return read_run(folder)


@pytest.fixture(scope="module")
def absent(dropped_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the network exported with a graph per stream."""
    repository = tmp_path_factory.mktemp("absent")
    build(dropped_run, "tiny_absent", SIZE, repository, max_batch=4, missing_modality=True)
    return repository / "tiny_absent"


def alone(run: Run, stream: str, raw: Any) -> tuple[Any, Any]:
    """Return labels and confidence that live PyTorch decides from one stream."""
    network = single_stream(run.network, run.config.network.streams.index(stream))
    with torch.inference_mode():
        labels, confidence = SegmentationServable(network, [MODALITIES[stream]]).eval()(torch.from_numpy(raw))
    return labels.numpy(), confidence.numpy()


def test_a_graph_per_stream_answers_as_live_pytorch_and_is_proven(absent: Path, dropped_run: Run) -> None:
    contract = Contract.load(absent)
    contract.verify(absent)
    assert [spec.optional for spec in contract.inputs] == [True, True]
    assert [spec.name for spec in contract.outputs] == ["labels", "confidence", "modalities"]
    assert [(one.name, one.graph.file) for one in contract.variants] == [
        ("rgb", "1/model.rgb.onnx"), ("depth", "1/model.depth.onnx"),
    ]  # fmt: skip
    proven = {(one.variant, one.stage, one.output) for one in contract.parity}
    stages, outputs = ("frozen", "onnx"), ("labels", "confidence", "logits")
    assert proven == {(name, stage, output) for name in ("", "rgb", "depth") for stage in stages for output in outputs}
    assert {one.inputs.rpartition(" with ")[2] for one in contract.evaluation} >= {"rgb alone", "depth alone"}
    for spec, variant in zip(contract.inputs, contract.variants, strict=True):
        session = onnxruntime.InferenceSession(str(absent / variant.graph.file), providers=["CPUExecutionProvider"])
        (raw,) = (tensor.numpy() for tensor in example([spec], 2, seed=7))
        labels, confidence = session.run(["labels", "confidence"], {spec.name: raw})
        wanted = alone(dropped_run, spec.name, raw)
        assert (labels == wanted[0]).mean() >= 0.999
        assert np.abs(confidence.astype(int) - wanted[1]).max() <= 2


def test_a_network_that_was_never_without_a_stream_is_refused(
    exchanging_run: Run,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--name", "x", "--size", "64x80", "--missing-modality", "--to", str(tmp_path)]
    assert main(["build", str(exchanging_run.folder), *arguments]) == 2
    error = capsys.readouterr().err
    assert "was trained with every stream present" in error and "modality_dropout" in error
    assert error.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_inspect_names_the_graph_of_every_stream(absent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(absent), "--repeats", "0"]) == 0
    text = capsys.readouterr().out
    assert "1/model.rgb.onnx answers where only rgb is present" in text and "with depth alone" in text


def test_a_served_network_decides_from_the_picture_that_came(absent: Path, dropped_run: Run) -> None:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    millimetres = random.integers(400, 9000, SIZE).astype(np.uint16)
    with (
        EmbeddedServer(absent.parent) as server,
        tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client,
    ):
        for stream, pixels, raw in (
            ("rgb", rgb, rgb[None]),
            ("depth", millimetres, millimetres[None].astype(np.float32) / np.float32(1000)),
        ):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            answer = client.infer("tiny_absent_image", [bytes_input(f"{stream}_image", [file.getvalue()])])
            labels = np.asarray(Image.open(io.BytesIO(answer.as_numpy("labels_png")[0, 0])))
            assert (labels == alone(dropped_run, stream, raw)[0][0]).mean() >= 0.999
            assert json.loads(answer.as_numpy("summary")[0, 0])["streams"] == [stream]
