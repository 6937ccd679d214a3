"""What TensorRT's ONNX parser takes: a maintained table of operators and element types, and the check against it.

Only operators that the exporter writes are listed; a new one is added together with its row. Source: the operator
support matrix of onnx-tensorrt (docs/operators.md) and the data type tables of TensorRT 10. Beyond it every integer
index may be 64 bits wide, and UINT8 exists at the network's inputs and outputs alone, on the far side of a `Cast`.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto

#: Bytes that protobuf can hold in one message, with some to spare.
LARGEST_FILE = 2**31 - 2**20

_FLOAT = frozenset({"FLOAT", "FLOAT16", "BFLOAT16"})
_NUMBER = _FLOAT | {"INT32", "INT64"}
_MOVED = _NUMBER | {"INT8", "BOOL"}

#: Element types of the first input by operator.
TENSORRT_OPERATORS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Max", "Min", "Neg", "Abs"), _NUMBER),
    **dict.fromkeys(("Exp", "Log", "Sqrt", "Pow", "Sigmoid", "Tanh", "Erf", "Reciprocal", "Round", "Floor"), _FLOAT),
    **dict.fromkeys(("Relu", "LeakyRelu", "Clip"), _FLOAT | {"INT8"}),
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "MatMul"), _FLOAT | {"INT8"}),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool"), _FLOAT | {"INT8"}),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum", "ArgMax", "TopK"), _NUMBER),
    **dict.fromkeys(
        ("Softmax", "InstanceNormalization", "LayerNormalization", "Resize", "ReduceL2", "ReduceLogSumExp"), _FLOAT
    ),
    **dict.fromkeys(("Concat", "Slice", "Split", "Reshape", "Flatten", "Expand", "Tile", "Identity"), _MOVED),
    **dict.fromkeys(("Transpose", "Squeeze", "Unsqueeze", "Pad", "Gather", "Shape", "Constant"), _MOVED),
    "ConstantOfShape": frozenset({"INT64"}),
    "Cast": _MOVED | {"UINT8"},
    "QuantizeLinear": _FLOAT,
    "DequantizeLinear": frozenset({"INT8", "FLOAT8E4M3FN"}),
}

#: Inputs, by position, that have to be constants.
CONSTANT_INPUTS = {"Slice": (1, 2, 3, 4), "Squeeze": (1,), "Unsqueeze": (1,), "Resize": (2,), "TopK": (1,), "Pad": (1,)}


def table_faults(model: onnx.ModelProto) -> list[str]:
    """Return what TensorRT would refuse in a graph by the table, one line per fault; none means that it should build.

    Args:
        model: with the shapes of its inputs; element types are inferred, but for graphs too large for that.
    """
    graph = (onnx.shape_inference.infer_shapes(model) if model.ByteSize() <= LARGEST_FILE else model).graph
    constants = {tensor.name for tensor in graph.initializer}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        types[value.name] = value.type.tensor_type.elem_type
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    faults = list(_inner_bytes(graph))
    for node in graph.node:
        faults += [f"{node.op_type} {node.name!r}: {fault}" for fault in _faults(node, types, constants)]
    return faults + rejected_constants(graph)


def rejected_constants(graph: onnx.GraphProto) -> list[str]:
    """Return the 8-bit constants that TensorRT's builder refuses and its parser takes: those without dimensions.

    Args:
        graph: its weights may be elsewhere.
    """
    scalars = {
        tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.INT8 and not len(tensor.dims)
    }
    return [
        f"{node.op_type} {node.name!r}: takes the INT8 constant {node.input[0]!r} without dimensions; make it float"
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in scalars
    ]


def _faults(node: onnx.NodeProto, types: dict[str, int], constants: set[str]) -> Iterator[str]:
    """Yield what is wrong with one node."""
    allowed = TENSORRT_OPERATORS.get(node.op_type)
    if allowed is None or node.domain not in ("", "ai.onnx"):
        yield "is no operator that TensorRT is known to have"
        return
    if node.input and (code := types.get(node.input[0])):
        found = TensorProto.DataType.Name(code)
        if found not in allowed:
            yield f"takes {found}; allowed are {', '.join(sorted(allowed))}"
    for place in CONSTANT_INPUTS.get(node.op_type, ()):
        if place < len(node.input) and node.input[place] and node.input[place] not in constants:
            yield f"input {place} has to be a constant"
    if node.op_type == "MaxPool" and len(node.output) > 1:
        yield "has an output of indices, which does not exist"
    if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2:
        code = types.get(node.input[2], TensorProto.INT8)
        if code not in (TensorProto.INT8, TensorProto.FLOAT8E4M3FN):
            kind = TensorProto.DataType.Name(code)
            yield f"has a zero point of {kind}; only INT8 or FLOAT8E4M3FN with zero is allowed"


def _inner_bytes(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield faults of UINT8 tensors that are neither input nor output of the graph."""
    wire = {value.name for value in (*graph.input, *graph.output)}
    for value in graph.value_info:
        if value.type.tensor_type.elem_type == TensorProto.UINT8 and value.name not in wire:
            yield f"tensor {value.name!r} is UINT8, which only inputs and outputs may be"
