"""Exporting a run: the graph's wire, its proofs, and every refusal without a half-written folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import crosswire.export.tasks.segmentation.single_export as job_module
from crosswire.contract import Contract, ContractError
from crosswire.export.__main__ import main
from crosswire.export.build import build
from crosswire.export.graph_file import IR_VERSION, OPSET, GraphError
from crosswire.export.onnx_graph import FORBIDDEN_OPERATORS, check, example
from crosswire.export.parity import measure
from crosswire.export.place import BuildError
from crosswire.export.tasks.segmentation.servable import SegmentationServable
from crosswire.training.engine.run_folder import Run, read_run, write_config, write_weights
from crosswire.training.modalities import MODALITIES
from crosswire.training.models import exchanging_norms

SIZE = (64, 80)


@pytest.fixture(scope="session")
def exchanging_run(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a trained tiny run in which a third of the penalised channels is exchanged."""
    folder = tmp_path_factory.mktemp("runs") / "exchanging"
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in exchanging_norms(tiny_run.network).values():
            for gamma in norm.penalised():
                gamma[torch.rand(gamma.numel(), generator=generator) < 0.33] = 0.0
    write_config(folder, tiny_run.config)
    write_weights(folder, tiny_run.network.state_dict())
    return read_run(folder)


@pytest.fixture(scope="session")
def exported(exchanging_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an exported network."""
    repository = tmp_path_factory.mktemp("repository")
    build(exchanging_run, "tiny_cen", SIZE, repository, max_batch=4)
    return repository / "tiny_cen"


def test_the_graph_has_the_promised_wire_and_a_symbolic_batch(exported: Path) -> None:
    contract = Contract.load(exported)
    session = onnxruntime.InferenceSession(str(contract.verify(exported)), providers=["CPUExecutionProvider"])
    wire = [(v.name, v.type, tuple(v.shape[1:])) for v in (*session.get_inputs(), *session.get_outputs())]
    assert wire == [
        ("rgb", "tensor(uint8)", (*SIZE, 3)),
        ("depth", "tensor(float)", SIZE),
        ("labels", "tensor(uint8)", SIZE),
        ("confidence", "tensor(uint8)", SIZE),
    ]
    for batch in (1, 2, 3):
        inputs = example(contract.inputs, batch, seed=batch)
        labels, confidence = session.run(None, {"rgb": inputs[0].numpy(), "depth": inputs[1].numpy()})
        assert labels.shape == confidence.shape == (batch, *SIZE)


def test_the_graph_stays_at_an_opset_and_format_that_older_runtimes_read(exported: Path) -> None:
    model = onnx.load(exported / "1" / "model.onnx")
    assert model.ir_version == IR_VERSION == 10
    assert {entry.version for entry in model.opset_import if entry.domain == ""} == {OPSET} == {18}


def test_the_graph_holds_no_mask_and_no_look_up(exported: Path) -> None:
    model = onnx.load(exported / "1" / "model.onnx")
    operators = {node.op_type for node in model.graph.node}
    assert not operators & (FORBIDDEN_OPERATORS | {"BatchNormalization", "Dropout"})
    looked_up = {name for node in model.graph.node if node.op_type == "Gather" for name in node.output}
    conv_inputs = {node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    assert not looked_up & conv_inputs


def test_freezing_prunes_what_is_replaced(exported: Path, exchanging_run: Run) -> None:
    contract = Contract.load(exported)
    exchanged = sum(sum(layer.exchanged) for layer in contract.exchange)
    assert exchanged > 0
    assert contract.macs_frozen < contract.macs_live
    assert contract.parameters == sum(p.numel() for p in exchanging_run.network.parameters())


def test_the_graph_answers_as_live_pytorch(exported: Path, exchanging_run: Run) -> None:
    contract = Contract.load(exported)
    live = SegmentationServable(exchanging_run.network, [MODALITIES["rgb"], MODALITIES["depth"]])
    session = onnxruntime.InferenceSession(str(exported / "1" / "model.onnx"), providers=["CPUExecutionProvider"])
    inputs = example(contract.inputs, 3, seed=99)
    with torch.inference_mode():
        labels, confidence = (output.numpy() for output in live(*inputs))
    served = session.run(None, {"rgb": inputs[0].numpy(), "depth": inputs[1].numpy()})
    assert (served[0] == labels).mean() >= 0.999
    assert np.abs(served[1].astype(int) - confidence.astype(int)).max() <= 2


def test_a_broken_graph_fails_the_export_and_leaves_nothing(
    exchanging_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negating one convolution after the export is the kind of fault that only a comparison finds."""
    write = job_module.write_onnx

    def sabotage(*arguments: Any) -> None:
        write(*arguments)
        model = onnx.load(arguments[-1])
        head = next(node for node in reversed(model.graph.node) if node.op_type == "Conv")
        weight = next(tensor for tensor in model.graph.initializer if tensor.name == head.input[1])
        weight.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weight), weight.name))
        onnx.save(model, arguments[-1])

    monkeypatch.setattr(job_module, "write_onnx", sabotage)
    with pytest.raises(ContractError, match="outside the tolerance"):
        build(exchanging_run, "tiny_cen", SIZE, tmp_path, max_batch=4)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_fail_the_export_and_leave_nothing(exchanging_run: Run, tmp_path: Path) -> None:
    run = read_run(exchanging_run.folder)
    with torch.no_grad():
        run.network.encoder.conv1.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(BuildError, match="not finite"):
        build(run, "tiny_cen", SIZE, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_export_replaces_the_first(exported: Path, exchanging_run: Run, tmp_path: Path) -> None:
    (tmp_path / "tiny_cen").mkdir()
    (tmp_path / "tiny_cen" / "leftover").write_text("old")
    with pytest.raises(BuildError, match="is there and is no network, so it is not replaced"):
        build(exchanging_run, "tiny_cen", SIZE, tmp_path, max_batch=4)
    assert (tmp_path / "tiny_cen" / "leftover").exists()
    (tmp_path / "tiny_cen" / "contract.json").write_text("old")
    build(exchanging_run, "tiny_cen", SIZE, tmp_path, max_batch=4)
    assert sorted(path.name for path in (tmp_path / "tiny_cen").iterdir()) == ["1", "contract.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny_cen"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "Rooms CEN"], "use small letters"),
        (["--size", "8x80"], "32 to 4096"),
        (["--max-batch", "0"], "max batch 0 is not allowed"),
        (["--to", "FILE"], "is not a folder"),
        (["--to", "FILE/below"], "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    exchanging_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    usual = {"--name": "tiny_cen", "--size": "64x80", "--to": str(tmp_path / "repository")}
    usual[arguments[0]] = arguments[1].replace("FILE", str(file))
    words = [word for pair in usual.items() for word in pair]
    assert main(["build", str(exchanging_run.folder), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(tmp_path), "--name", "x", "--size", "64x80", "--to", str(tmp_path / "to")]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_inspect_prints_what_is_promised_and_proven(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(exported), "--repeats", "1"]) == 0
    text = capsys.readouterr().out
    assert "penalised channels exchanged" in text and "agreement" in text
    assert all(name in text for name in ("eager PyTorch fp32", "naive ONNX fp32", "served fp32"))
    page = (exported.parent / "tiny_cen.html").read_text()
    assert page.startswith("<!doctype html>") and "http" not in page  # nothing is loaded from elsewhere
    assert all(name in page for name in ("naive ONNX fp32", "encoder.layer1.0.bn2 rgb", "agreement", "UINT8"))


def test_a_graph_with_another_wire_is_refused(exported: Path) -> None:
    contract = Contract.load(exported)
    model = onnx.load(exported / "1" / "model.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    with pytest.raises(GraphError, match="it must be symbolic"):
        check(model, contract.inputs, contract.outputs)


@pytest.mark.parametrize(("name", "expected"), [("agreement", 0.75), ("max_abs", 2.0), ("relative", 0.5)])
def test_measures_measure_what_they_say(name: str, expected: float) -> None:
    assert measure(name, np.array([1, 2, 3, 4]), np.array([1, 2, 3, 2])) == expected


def test_arrays_of_different_shape_are_never_compared() -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        measure("agreement", np.zeros((2, 2)), np.zeros(2))
