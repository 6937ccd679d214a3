"""Graphs in bfloat16, for TensorRT alone, and what ONNX Runtime's processor computes in their place to prove them.

A graph in bfloat16 is that in float16 with other types, and with weights rounded from those of the fp32 graph. Its
convolutions need operator set 22. ONNX Runtime has none of them on a processor: there every operator computes in
float32, and two casts round each of its results. TensorRT rounds less often: it fuses operators and sums in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from crosswire.export.graph_file import OPSET, save

#: First operator set whose convolution takes bfloat16.
BFLOAT16_OPSET = 22
_UNROUNDED = {"Shape", "Constant", "Slice", "Concat", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Relu", "MaxPool"}


def write_bfloat16(half: Path, full: Path, path: Path) -> None:
    """Write a graph in bfloat16.

    Args:
        half: the graph in float16, whose types become bfloat16.
        full: the same in float32, whose weights are rounded.
        path: the file to write.
    """
    model = onnx.load(half)
    exact = {tensor.name: tensor for tensor in onnx.load(full).graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(exact.get(tensor.name, tensor)).astype(np.float32)
            tensor.CopyFrom(_rounded(tensor.name, values))
    for attribute in _types_of_casts(model):
        attribute.i = TensorProto.BFLOAT16 if attribute.i == TensorProto.FLOAT16 else attribute.i
    for value in model.graph.value_info:
        kind = value.type.tensor_type
        kind.elem_type = TensorProto.BFLOAT16 if kind.elem_type == TensorProto.FLOAT16 else kind.elem_type
    _set_opset(model, BFLOAT16_OPSET)
    save(model, path)


def emulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph in bfloat16 as one that computes in float32 and rounds every result to bfloat16.

    Args:
        model: with its weights. It is changed.
    """
    known = onnx.shape_inference.infer_shapes(model).graph
    reduced = {one.name for one in known.value_info if one.type.tensor_type.elem_type == TensorProto.BFLOAT16}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.BFLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for attribute in _types_of_casts(model):
        attribute.i = TensorProto.FLOAT if attribute.i == TensorProto.BFLOAT16 else attribute.i
    nodes = [one for node in model.graph.node for one in _and_rounded(node, reduced)]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    _set_opset(model, OPSET)
    return model


def _and_rounded(node: NodeProto, reduced: set[str]) -> Iterator[NodeProto]:
    """Yield a node, and the casts that round its results; those that only move numbers need none."""
    copied = NodeProto.FromString(node.SerializeToString())
    after = []
    for index, name in enumerate(node.output):
        if name in reduced and node.op_type not in _UNROUNDED:
            exact, low = f"{name}.exact", f"{name}.bfloat16"
            copied.output[index] = exact
            after.append(helper.make_node("Cast", [exact], [low], name=low, to=TensorProto.BFLOAT16))
            after.append(helper.make_node("Cast", [low], [name], name=exact, to=TensorProto.FLOAT))
    yield copied
    yield from after


def _types_of_casts(model: onnx.ModelProto) -> Iterator[AttributeProto]:
    """Yield what every cast casts to."""
    for node in model.graph.node:
        if node.op_type == "Cast":
            yield from (attribute for attribute in node.attribute if attribute.name == "to")


def _rounded(name: str, values: NDArray[np.float32]) -> TensorProto:
    """Return numbers as a tensor of bfloat16, each rounded to the nearest, halves to even."""
    bits = values.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return helper.make_tensor(name, TensorProto.BFLOAT16, values.shape, rounded.tobytes(), raw=True)


def _set_opset(model: onnx.ModelProto, version: int) -> None:
    """Say which set of ONNX's own operators a graph uses."""
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", version))
