"""The layers of a graph that are quantised, and those that stay in float by rule."""

from __future__ import annotations

import onnx

from crosswire.export.graph_file import LOGITS


def convolutions(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the convolutions of a graph in the order in which they run."""
    return [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]


def layer_name(node: onnx.NodeProto) -> str:
    """Return the name of a convolution in the frozen network, which its weights carry."""
    return str(node.input[1]).removeprefix("network.").removesuffix(".weight")


def outside(graph: onnx.GraphProto) -> list[str]:
    """Return the nodes that stay in float by rule: the normalisation, the last convolution and the tail behind it."""
    producer = {name: node for node in graph.node for name in node.output}
    reached: set[str] = set()  # tensors with a convolution before them
    behind = {LOGITS}
    names = []
    for node in graph.node:  # in topological order
        if node.op_type == "Conv" or any(name in reached for name in node.input):
            reached.update(node.output)
        if any(name in behind for name in node.input):
            behind.update(node.output)
            names.append(node.name)
        elif not any(name in reached for name in node.output):
            names.append(node.name)
    waiting = [LOGITS]
    while waiting:
        node = producer.get(waiting.pop())
        if node is None:
            continue
        names.append(node.name)
        if node.op_type != "Conv":
            waiting += node.input
    return names
