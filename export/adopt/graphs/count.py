"""What an adopted graph costs: its parameters, and the multiply-accumulates of one sample."""

from __future__ import annotations

import math

import onnx

from crosswire.export.adopt.graphs.batch import inferred
from crosswire.export.adopt.graphs.source import wire_sizes

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


def parameters(model: onnx.ModelProto) -> int:
    """Count the weights of a graph: floats in constants that have dimensions."""
    tensors = [*model.graph.initializer]
    tensors += [one.t for node in model.graph.node if node.op_type == "Constant" for one in node.attribute]
    return sum(math.prod(tensor.dims) for tensor in tensors if tensor.dims and tensor.data_type in _FLOATS)


def macs(model: onnx.ModelProto) -> int:
    """Count the multiply-accumulates of convolutions and matrix products for one sample, where shapes are known.

    Args:
        model: with inputs of fixed sizes and a batch of 1.
    """
    graph = inferred(model).graph
    shapes = {value.name: wire_sizes(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return sum(_cost(node, shapes) for node in graph.node)


def _cost(node: onnx.NodeProto, shapes: dict[str, tuple[int | None, ...] | None]) -> int:
    """Return the multiply-accumulates of one node, 0 where they cannot be told."""
    if node.op_type not in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
        return 0
    data, weight, made = (shapes.get(name) for name in (node.input[0], node.input[1], node.output[0]))
    if not data or not weight or not made or None in (*data, *weight, *made):
        return 0
    sizes = [math.prod(size or 1 for size in one) for one in (data, weight, made)]
    if node.op_type == "Conv":
        return sizes[2] * sizes[1] // (weight[0] or 1)
    if node.op_type == "ConvTranspose":
        return sizes[0] * sizes[1] // (weight[0] or 1)
    transposed = any(one.name == "transA" and one.i for one in node.attribute)
    return sizes[2] * (data[0 if transposed else -1] or 1)
