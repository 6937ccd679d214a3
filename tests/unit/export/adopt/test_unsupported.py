"""Graphs of other kinds are refused by node or by name, and nothing of them is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crosswire.export.__main__ import main
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import read_graph
from crosswire.export.adopt.prepare import prepare
from tests.support.adopted.foreign import RGB, network, said

IMAGE = ("image", TensorProto.FLOAT, [1, 3, 16, 16])
Wire = tuple[str, int, list[int | str]]


def written(
    path: Path, nodes: list[onnx.NodeProto], inputs: list[Any], outputs: list[Any], **constants: np.ndarray[Any, Any]
) -> Path:
    """Write a graph of some nodes."""
    infos = [[helper.make_tensor_value_info(*one) for one in wires] for wires in (inputs, outputs)]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "other", *infos, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def refused(path: Path, words: str, **output: Any) -> None:
    """Hold that a graph is refused with some words."""
    with pytest.raises(AdoptError, match=words):
        prepare(read_graph(path), said(RGB, output=output or None), None)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (("state", TensorProto.FLOAT, [2, "n", 128]), r"input state FLOAT \[2, \?, 128\] is a state .* starts anew"),
        (("h", TensorProto.FLOAT, [1, 1, 128]), r"input h FLOAT \[1, 1, 128\] is a state from one call to the next"),
        (("past_key", TensorProto.FLOAT, [1, 8]), r"input past_key .* is a state"),
        (("input_ids", TensorProto.INT64, ["n", "t"]), r"input input_ids INT64 \[\?, \?\] takes the numbers of words"),
        (("attention_mask", TensorProto.INT64, ["n", "t"]), r"attention_mask .* numbers of words; text is sent by no"),
        (("sr", TensorProto.INT64, []), r"input sr INT64 \[\] is a setting of 0 axes, .* with a constant in its place"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_inputs_that_no_request_carries_are_refused_by_name(tmp_path: Path, other: Wire, words: str) -> None:
    nodes = [helper.make_node("Relu", ["image"], ["scores"]), helper.make_node("Identity", [other[0]], ["used"])]
    outputs = [("scores", TensorProto.FLOAT, [1, 3, 16, 16])]
    refused(written(tmp_path / "a.onnx", nodes, [IMAGE, other], outputs), words)


def test_detectors_are_refused_by_the_node_that_chooses_or_by_the_names_of_their_outputs(tmp_path: Path) -> None:
    head = [
        helper.make_node("Reshape", ["image", "shape"], ["rows"]),
        helper.make_node("Split", ["rows"], ["boxes", "rest"], axis=2),
        helper.make_node("Transpose", ["rest"], ["scores"], perm=[0, 2, 1]),
    ]
    shape = np.asarray([1, 96, 8])
    outputs: list[Any] = [("boxes", TensorProto.FLOAT, [1, 96, 4]), ("scores", TensorProto.FLOAT, [1, 4, 96])]
    plain = written(tmp_path / "plain.onnx", head, [IMAGE], outputs, shape=shape)
    refused(plain, r"output boxes FLOAT \[1, 96, 4\] gives boxes: the network is a detector, and no pipeline")
    refused(plain, r"output boxes FLOAT \[1, 96, 4\] gives boxes", graph_output="boxes")
    refused(plain, r"'scores' is \[1, 4, 96\] for images of 16x16; a segmentation has one value", graph_output="scores")
    choice = helper.make_node("NonMaxSuppression", ["boxes", "scores"], ["chosen"], name="choose")
    outputs = [("chosen", TensorProto.INT64, ["k", 3])]
    refused(
        written(tmp_path / "nms.onnx", [*head, choice], [IMAGE], outputs, shape=shape),
        "NonMaxSuppression 'choose' chooses among boxes: the network is a detector",
    )
    model = onnx.load(plain)
    helper.set_model_props(model, {"task": "segment", "names": "{0: 'a', 1: 'b'}"})
    model.graph.output[0].name = model.graph.node[1].output[0] = model.graph.output[0].name.replace("boxes", "output0")
    onnx.save(model, tmp_path / "ultralytics.onnx")
    words = r"output output0 FLOAT \[1, 96, 4\] gives boxes, says metadata task 'segment'"
    refused(tmp_path / "ultralytics.onnx", words, graph_output="output0")


def test_a_vector_of_scores_is_no_segmentation(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["image"], ["scores"], axes=[2, 3], keepdims=0)]
    path = written(tmp_path / "a.onnx", nodes, [IMAGE], [("scores", TensorProto.FLOAT, [1, 3])])
    refused(path, r"output 'scores' is \[1, 3\] for images of 16x16; a segmentation has one value, or one per class")


def test_8_bit_floats_are_refused_by_the_node(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["image"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", "zero"], ["rounded"], name="rounding"),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["scores"]),
    ]
    path = written(tmp_path / "a.onnx", nodes, [IMAGE], [("scores", TensorProto.FLOAT, [1, 3, 16, 16])])
    model = onnx.load(path)
    model.graph.initializer.append(helper.make_tensor("scale", TensorProto.FLOAT, [], [0.25]))
    model.graph.initializer.append(helper.make_tensor("zero", TensorProto.FLOAT8E4M3FN, [], [0.0]))
    model.opset_import[0].version = 19
    onnx.save(model, path)
    refused(path, r"QuantizeLinear 'rounding' takes or makes 8-bit floats, .* floats of 32 or 16 bits")


def test_depth_as_hha_is_refused_by_the_name_of_the_input(tmp_path: Path) -> None:
    model = onnx.load(network(tmp_path / "a.onnx", channels=(3, 3)))
    model.graph.input[1].name = "hha"
    model.graph.node[0].input[1] = "hha"
    onnx.save(model, tmp_path / "b.onnx")
    refused(tmp_path / "b.onnx", "input 'hha': HHA needs the camera's lens and the direction of gravity")


def test_nothing_of_a_refused_graph_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [helper.make_node("Identity", ["state"], ["scores"])]
    state = ("state", TensorProto.FLOAT, [2, 1, 128])
    path = written(tmp_path / "a.onnx", nodes, [state], [("scores", TensorProto.FLOAT, [2, 1, 128])])
    assert main(["adopt", str(path), "--task", "segmentation", "--name", "a", "--to", str(tmp_path / "to")]) == 2
    assert "input state FLOAT [2, 1, 128] is a state" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()
