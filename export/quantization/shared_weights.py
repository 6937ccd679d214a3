"""Weights that several convolutions share: each gets its own, in float before quantisation and in 8 bits after it.

ONNX Runtime 1.32 fails to open a graph with exact 8-bit sums (`session.x64quantprecision`) where an integer weight or
its zero point has two readers: it turns them into unsigned numbers once per reader, under one name. Exporters write
equal weights once, the second reader behind an `Identity`, and other quantisers write one zero point for all weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import onnx
from onnx import TensorProto

from crosswire.export.quantization.layers import convolutions

_SIGNED = (TensorProto.INT8, TensorProto.INT4)


def with_own_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every convolution weights and bias of its own, in place; returns the graph."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    behind = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    taken: set[str] = set()
    for node in convolutions(graph):
        for place, name in enumerate(node.input[1:], start=1):
            source = name
            while source in behind:
                source = behind[source]
            if source in weights:
                node.input[place] = _own(graph, weights[source], node.name, taken)
    _drop_unread(graph, behind)
    return model


def with_own_integers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every reader of a dequantised weight its own weight and zero point, in place; returns the graph."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer} | _constants(graph)
    signed = {name: tensor for name, tensor in weights.items() if tensor.data_type in _SIGNED}
    readers = Counter(name for node in graph.node for name in node.input)
    taken: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    copies: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in signed:
            copies[node.output[0]] = [_copy(node, place) for place in range(max(1, readers[node.output[0]]))]
            nodes.extend(copies[node.output[0]])
            for one in copies[node.output[0]]:
                for place in {0, 2} & set(range(len(one.input))):
                    if one.input[place] in signed:
                        one.input[place] = _own(graph, signed[one.input[place]], one.output[0], taken)
        else:
            nodes.append(node)
    left = {name: iter(ones) for name, ones in copies.items()}
    for node in nodes:
        for place, name in enumerate(node.input):
            if name in left:
                node.input[place] = next(left[name]).output[0]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _own(graph: onnx.GraphProto, tensor: TensorProto, reader: str, taken: set[str]) -> str:
    """Return the name of a tensor that nobody has taken: itself, or a copy that is named after its reader."""
    name = tensor.name
    if name in taken:
        own = onnx.TensorProto()
        own.CopyFrom(tensor)
        name = own.name = f"{tensor.name}_of_{reader}"
        graph.initializer.append(own)
    taken.add(name)
    return name


def _constants(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """Return the tensors of `Constant` nodes, each named like its output."""
    found = {}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            found[tensor.name] = tensor
    return found


def _copy(node: onnx.NodeProto, place: int) -> onnx.NodeProto:
    """Return a node again, with names of its own from the second copy on."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    if place:
        copy.name, copy.output[0] = f"{node.name}_{place}", f"{node.output[0]}_{place}"
    return copy


def _drop_unread(graph: onnx.GraphProto, outputs: Collection[str]) -> None:
    """Remove the nodes of these outputs that nobody reads any more: the quantiser would count them as readers."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [node for node in graph.node if node.output[0] in read or node.output[0] not in outputs]
    del graph.node[:]
    graph.node.extend(kept)
