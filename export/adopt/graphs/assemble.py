"""Putting nodes before and behind somebody else's graph: one graph with our wire."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, compose, helper

from crosswire.contract import TensorSpec
from crosswire.export.adopt.graphs.batch import BATCH
from crosswire.export.adopt.graphs.convert import opset_of
from crosswire.export.adopt.graphs.nodes import INSIDE, Nodes
from crosswire.export.graph_file import IR_VERSION

_TYPES = {"UINT8": TensorProto.UINT8, "FP32": TensorProto.FLOAT, "INT32": TensorProto.INT32}


def inside(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph under names that nothing around it can have, every node with one of its own."""
    named = onnx.ModelProto()
    named.CopyFrom(model)
    del named.graph.value_info[:]
    for place, node in enumerate(named.graph.node):
        node.name = f"{node.op_type}_{place}" if not node.name else f"{node.name}_{place}"
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    return compose.add_prefix(named, INSIDE)


def assembled(
    core: onnx.ModelProto,
    before: Sequence[Nodes],
    behind: Sequence[Nodes],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    name: str,
) -> onnx.ModelProto:
    """Return one graph of nodes before, a network, and nodes behind.

    Args:
        core: the network, from `inside`.
        before: write the network's inputs.
        behind: read its outputs, and write those of the graph.
        inputs: of the graph.
        outputs: of the graph.
        name: of the graph.
    """
    around = (*before, *behind)
    graph = helper.make_graph(
        [node for part in before for node in part.nodes]
        + list(core.graph.node)
        + [node for part in behind for node in part.nodes],
        name,
        [_value(spec) for spec in inputs],
        [_value(spec) for spec in outputs],
        [*core.graph.initializer, *(constant for part in around for constant in part.constants)],
    )
    graph.sparse_initializer.extend(core.graph.sparse_initializer)
    imports = [helper.make_opsetid("", opset_of(core))]
    imports += [entry for entry in core.opset_import if entry.domain not in ("", "ai.onnx")]
    model = helper.make_model(graph, producer_name="crosswire", opset_imports=imports)
    model.ir_version = IR_VERSION
    return model


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    """Return an input or output of a graph with an open batch axis."""
    return helper.make_tensor_value_info(spec.name, _TYPES[spec.dtype], [BATCH, *spec.shape])
