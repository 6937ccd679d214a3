"""Weights with several readers: every quantised graph opens with exact 8-bit sums, and answers as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crosswire.export.graph_file import LOGITS
from crosswire.export.parity import open_session
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.quantization.shared_weights import with_own_integers

SHAPE = [1, 4, 8, 8]
RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.integers(-127, 128, (4, 4, 3, 3)).astype(np.int8)
INPUT = RANDOM.normal(size=SHAPE).astype(np.float32)


def model(nodes: list[onnx.NodeProto], last: str, **constants: Any) -> onnx.ModelProto:
    """Return a graph from `x` to a tensor of the same shape."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("x", last)]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def answered(graph: onnx.ModelProto, path: Path) -> Any:
    """Return the answer of a session as servers and proofs open it."""
    onnx.save(graph, path)
    return open_session(path).run(None, {"x": INPUT})[0]


@pytest.mark.parametrize("shared", ["a weight", "a zero point", "a zero point that is a node's"])
def test_a_graph_that_came_in_8_bits_opens_with_exact_sums(tmp_path: Path, shared: str) -> None:
    def convolutions(apart: bool) -> onnx.ModelProto:
        nodes = []
        own = {"scale": np.float32(0.02), "middle": np.uint8(128), "step": np.float32(0.002), "w1": WEIGHT}
        if shared.endswith("node's") and not apart:
            zero = numpy_helper.from_array(np.asarray(np.int8(0)))
            nodes.append(helper.make_node("Constant", [], ["zero"], value=zero))
        else:
            own["zero"] = np.int8(0)
        nodes.append(helper.make_node("DequantizeLinear", ["w1", "step", "zero"], ["first"]))
        second = "first"
        if apart or shared != "a weight":
            own |= {"w2": WEIGHT} | ({"zero2": np.int8(0)} if apart else {})
            second = "second"
            nodes.append(helper.make_node("DequantizeLinear", ["w2", "step", "zero2" if apart else "zero"], [second]))
        for name, weight, result in (("x", "first", "a"), ("a", second, "b")):
            nodes += [
                helper.make_node("QuantizeLinear", [name, "scale", "middle"], [f"{name}_8"]),
                helper.make_node("DequantizeLinear", [f"{name}_8", "scale", "middle"], [f"{name}_r"]),
                helper.make_node("Conv", [f"{name}_r", weight], [result], pads=[1] * 4),
            ]
        return model(nodes, "b", **own)

    expected = answered(convolutions(apart=True), tmp_path / "apart.onnx")
    with pytest.raises(Exception, match="replace the existing tensor"):
        answered(convolutions(apart=False), tmp_path / "shared.onnx")
    assert np.array_equal(answered(with_own_integers(convolutions(apart=False)), tmp_path / "own.onnx"), expected)


def test_convolutions_that_share_a_weight_are_quantised_each_with_its_own(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], name="one", pads=[1] * 4),
        helper.make_node("Identity", ["w"], ["again"], name="same"),
        helper.make_node("Conv", ["a", "again", "b"], ["c"], name="two", pads=[1] * 4),
        helper.make_node("Conv", ["c", "v"], [LOGITS], name="last"),
    ]
    own = {"w": WEIGHT * np.float32(0.002), "b": np.arange(4, dtype=np.float32), "v": np.eye(4, dtype=np.float32)}
    plain = model(nodes, LOGITS, **{**own, "v": own["v"][:, :, None, None]})
    expected = answered(plain, tmp_path / "plain.onnx")
    quantiser = Quantiser(tmp_path / "plain.onnx", "cpu", [[INPUT]])
    quantiser.write((), tmp_path / "small.onnx")
    small = onnx.load(tmp_path / "small.onnx")
    stored = {tensor.name for tensor in small.graph.initializer if tensor.data_type == TensorProto.INT8}
    read = [node.input[0] for node in small.graph.node if node.op_type == "DequantizeLinear"]
    weights = [name for name in read if name in stored]
    assert len(weights) == len(set(weights)) >= 2
    found = answered(small, tmp_path / "small.onnx")
    assert 0 < np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
