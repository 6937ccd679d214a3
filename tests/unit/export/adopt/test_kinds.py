"""Graphs of every kind that exporters write: norms, 8 and 16 bits, bytes, four channels, several outputs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crosswire.contract import Contract
from crosswire.export.__main__ import main
from crosswire.export.adopt.adopt import AdoptRequest, adopt
from crosswire.export.adopt.eight_bits import fold_norms
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.metadata import metadata_of
from crosswire.export.adopt.prepare import Prepared, prepare
from crosswire.export.adopt.proof.prove import adopted, noise_batches, original, reference_of
from crosswire.export.adopt.proof.samples import Sample
from tests.support.adopted.foreign import DEPTH, RGB, network, said


def ready(path: Path, *inputs: dict[str, Any], task: str = "segmentation", **output: Any) -> Prepared:
    return prepare(read_graph(path), said(*inputs, task=task, output=output or None), None)


def edited(path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    """Change a graph's file."""
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def written(tmp_path: Path, one: Prepared, **options: Any) -> tuple[Contract, list[str]]:
    """Adopt a graph; returns its contract and what was said."""
    lines: list[str] = []
    return adopt(one, AdoptRequest("foreign", report=lines.append, **options), tmp_path / "to"), lines


def with_norm(model: onnx.ModelProto) -> None:
    """Put a batch norm behind the first convolution."""
    generator = np.random.default_rng(3)
    names = ("gain", "offset", "middle", "spread")
    for name in names:
        values = generator.uniform(0.5, 2.0, 8).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    place = next(place for place, node in enumerate(model.graph.node) if node.op_type == "Relu")
    model.graph.node[place].input[0] = "normed"
    model.graph.node.insert(place, helper.make_node("BatchNormalization", ["seen", *names], ["normed"]))


def halved(model: onnx.ModelProto) -> None:
    """Make all weights, inputs and outputs of a graph numbers of 16 bits."""
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


def taking(dtype: int) -> Callable[[onnx.ModelProto], None]:
    """Return what makes a graph take whole numbers."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = dtype
        model.graph.node[0].input[0] = "floats"
        model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT))

    return change


def labelled(one: Prepared, count: int = 3) -> list[Sample]:
    """Return noise with the labels that the graph itself gives."""
    run = original(one.source, one, print)
    batches = noise_batches(one, 1)
    (raw, *_) = next(iter(batches.values()))
    generator = np.random.default_rng(9)
    found = []
    for place in range(count):
        mixed = {name: generator.permuted(array, axis=1) for name, array in raw.items()}
        found.append(Sample(str(place), mixed, reference_of(one, run, mixed)["labels"][0]))
    return found


def test_norms_are_folded_into_convolutions_before_8_bits(tmp_path: Path) -> None:
    one = ready(edited(network(tmp_path / "a.onnx"), with_norm), RGB, DEPTH)
    (raw, *_) = next(iter(noise_batches(one, 1).values()))
    onnx.save(one.graph("foreign", cpu=True), tmp_path / "plain.onnx")
    before = adopted(tmp_path / "plain.onnx", one)(raw)
    fold_norms(tmp_path / "plain.onnx")
    model = onnx.load(tmp_path / "plain.onnx")
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert [value.name for value in model.graph.output] == ["labels", "confidence"] and model.ir_version == 10
    after = adopted(model, one, outputs_alone=True)(raw)
    assert (before["labels"] == after["labels"]).mean() > 0.999
    contract, _ = written(tmp_path, one, precision="int8", samples=labelled(one))
    assert "int8" in contract.precisions.values()
    assert contract.graph.ir_version == 10


def test_8_bits_leave_layers_in_float_by_the_mean_iou_of_labelled_data(tmp_path: Path) -> None:
    one = ready(network(tmp_path / "a.onnx"), RGB, DEPTH)
    samples = labelled(one)
    contract, lines = written(tmp_path, one, precision="int8", samples=samples, labelled=samples)
    scores = {score.metric: (score.live, score.served) for score in contract.evaluation}
    assert scores["mean_iou"][0] == 1.0 and scores["mean_iou"][1] > 0.5
    assert any("3 labelled frames" in line for line in lines), lines
    assert not [line for line in lines if "every layer is quantised" in line]
    assert contract.calibration == "3 samples"


@pytest.mark.parametrize("graph", [{}, {"end": "Softmax"}, {"stride": 8}, {"end": "ArgMax"}], ids=str)
def test_a_graph_is_laid_out_for_tensorrt(tmp_path: Path, graph: dict[str, Any]) -> None:
    output = {"classes": list("abcde")} if graph.get("end") == "ArgMax" else {}
    contract, _ = written(
        tmp_path, ready(network(tmp_path / "a.onnx", **graph), RGB, DEPTH, **output), target="tensorrt"
    )
    assert contract.target == "tensorrt"


def test_what_tensorrt_would_refuse_is_named(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(helper.make_node("Det", ["squares"], ["useless"], name="determinant"))
        model.graph.node.insert(-1, helper.make_node("Slice", ["before", "from", "to", "axes"], ["squares"]))
        for name, values in (("from", [0, 0]), ("to", [3, 3]), ("axes", [2, 3])):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        model.graph.initializer.append(numpy_helper.from_array(np.asarray([2, 3]), "places"))
        model.graph.node.append(helper.make_node("Unsqueeze", ["useless", "places"], ["wide"]))
        model.graph.node.append(helper.make_node("Add", ["before", "wide"], ["scores"]))

    one = ready(edited(network(tmp_path / "a.onnx"), change), RGB, DEPTH)
    with pytest.raises(AdoptError, match=r"TensorRT would refuse the graph: .*Det"):
        written(tmp_path, one, target="tensorrt")
    assert not (tmp_path / "to/foreign").exists()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("first", ["rgb", "depth"])
def test_colour_and_depth_share_an_input_of_four_channels(tmp_path: Path, layout: str, first: str) -> None:
    described = [{**RGB, "channel_order": "BGR"}, DEPTH]
    one = ready(network(tmp_path / "a.onnx", channels=(4,), layout=layout), *described[:: 1 if first == "rgb" else -1])
    contract, _ = written(tmp_path, one)
    assert sorted(spec.name for spec in contract.inputs) == ["depth", "rgb"]
    (raw, *_) = next(iter(noise_batches(one, 1).values()))
    given = adopted(one.graph("foreign", cpu=True), one)(raw)["normalised depth"]
    planes = given if layout == "NCHW" else given.transpose(0, 3, 1, 2)
    blue = (raw["rgb"][..., 2] / 255 - RGB["mean"][0]) / RGB["std"][0]
    far = (raw["depth"] * 1000 - 2841) / 1417
    np.testing.assert_allclose(planes[:, 0 if first == "rgb" else 1], blue, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(planes[:, 3 if first == "rgb" else 0], far, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["UINT8", "INT32", "INT64"])
def test_a_graph_that_takes_bytes_normalises_them_itself(tmp_path: Path, dtype: str) -> None:
    path = edited(network(tmp_path / "a.onnx", channels=(3,)), taking(TensorProto.DataType.Value(dtype)))
    contract, _ = written(tmp_path, ready(path, {"role": "rgb", "channel_order": "BGR"}))
    assert contract.inputs[0].dtype == "UINT8"
    with pytest.raises(AdoptError, match=f"{dtype} .* takes whole numbers, so it normalises them itself; leave out"):
        ready(path, RGB)


def test_a_graph_whose_numbers_cannot_hold_bytes_is_refused(tmp_path: Path) -> None:
    path = edited(network(tmp_path / "a.onnx", channels=(3,)), taking(TensorProto.INT8))
    with pytest.raises(AdoptError, match=r"INT8 .* holds -128 to 127, and images are 0 to 255; export .* UINT8"):
        ready(path, {"role": "rgb"})


@pytest.mark.parametrize("graph", [{}, {"end": "Softmax"}, {"stride": 8}, {"classes": 1, "end": "Sigmoid"}], ids=str)
def test_a_graph_of_16_bits_has_bounds_of_its_own(tmp_path: Path, graph: dict[str, Any]) -> None:
    one = ready(edited(network(tmp_path / "a.onnx", **graph), halved), RGB, DEPTH)
    contract, _ = written(tmp_path, one)
    assert contract.max_batch_size == 8
    assert {proof.output: proof.value for proof in contract.parity}["labels"] >= 0.99
    assert {bound.output: bound.bound for bound in contract.tolerances}["logits"] == 1e-2


def test_of_two_outputs_the_one_that_counts_is_named(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx")
    edited(
        path, lambda model: model.graph.output.append(helper.make_tensor_value_info("felt", TensorProto.FLOAT, None))
    )
    with pytest.raises(AdoptError, match=r"several outputs; say with --output which counts: scores .*, felt"):
        ready(path, RGB, DEPTH)
    contract, _ = written(tmp_path, ready(path, RGB, DEPTH, graph_output="felt"))
    assert len(contract.classes) == 8
    names = {node.output[0] for node in onnx.load(tmp_path / "to/foreign/1/model.onnx").graph.node}
    assert "network.felt" in names and "network.scores" not in names


def test_a_configuration_of_mmdeploy_among_the_metadata_is_read(tmp_path: Path) -> None:
    pipeline = [
        {"type": "Resize", "size": [64, 96]},
        {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": False},
    ]
    facts = {"mmdeploy": json.dumps({"pipeline": pipeline}), "metainfo": json.dumps({"classes": list("abcde")})}
    path = network(tmp_path / "a.onnx", channels=(3,), size=("h", "w"))
    edited(path, lambda model: helper.set_model_props(model, facts))
    lines: list[str] = []
    found = metadata_of(read_graph(path), lines.append)
    (one,) = found.inputs
    assert (one.scale, one.channel_order, one.size) == (1.0, "BGR", (64, 96))
    assert (one.mean, one.std) == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert found.outputs[0].classes == tuple("abcde")
    assert any("the graph's metadata 'mmdeploy'" in line for line in lines)


@pytest.mark.parametrize(
    "words", [["--module", "somebody:network"], ["--torchscript", "script.pt"]], ids=lambda w: w[0]
)
def test_modules_and_scripts_need_pytorch_and_say_so(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    rest = ["--task", "segmentation", "--name", "a", "--to", str(tmp_path / "to")]
    assert main(["adopt", *words, *rest]) == 2
    said_of_it = capsys.readouterr().err
    assert f"{words[0]} needs torch" in said_of_it and "export the network to ONNX where PyTorch is" in said_of_it
    assert not (tmp_path / "to").exists()
