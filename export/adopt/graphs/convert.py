"""Bringing a graph to versions that ONNX Runtime 1.19 and Triton read: file format, operator sets, functions."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import inliner, version_converter

from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import Source, node_name, nodes_of
from crosswire.export.graph_file import IR_VERSION, OPSET
from crosswire.export.quantization.shared_weights import with_own_integers

#: Newest operator set that ONNX Runtime 1.19 has; the nodes around the network mean the same from `OPSET` up to here.
NEWEST_OPSET = 21


def converted(source: Source) -> onnx.ModelProto:
    """Return a copy of a graph in a file format and an operator set that servers read.

    Weights that are integers already are told apart, as exact 8-bit sums need them.

    Where no operator that the graph has changed its meaning between the two sets, the number alone is changed; else
    the converter of `onnx` is asked, whose work the proof then covers.

    Args:
        source: the graph as it was read.

    Raises:
        AdoptError: an operator has no counterpart in the other set.
    """
    return with_own_integers(_in_versions(source))


def _in_versions(source: Source) -> onnx.ModelProto:
    """Return a copy of a graph in versions that servers read."""
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    if model.functions:
        model = inliner.inline_local_functions(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = IR_VERSION
    found = opset_of(model)
    wanted = min(max(found, OPSET), NEWEST_OPSET)
    if found == wanted:
        return model
    changed = [node for node in nodes_of(model.graph) if _changed(node, found, wanted)]
    if not changed:
        _set_opset(model, wanted)
        return model
    try:
        model = version_converter.convert_version(model, wanted)
    except Exception as error:  # the converter raises whatever its checks do
        raise AdoptError(
            f"{source.path} has operator set {found}, and {node_name(changed[0])} cannot be brought to {wanted} "
            f"({_first_line(error)}); export the network with opset {OPSET}"
        ) from error
    model.ir_version = IR_VERSION
    return model


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that a graph uses."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def _set_opset(model: onnx.ModelProto, version: int) -> None:
    """Set the version of ONNX's own operators."""
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = version


def _changed(node: onnx.NodeProto, found: int, wanted: int) -> bool:
    """Say whether an operator may mean something else in another set.

    It does not where both have the same inputs, outputs and attributes: newer sets often only allow more element types.
    An attribute that an older set lacks does not matter where the node leaves it out.
    """
    if node.domain not in ("", "ai.onnx"):
        return False
    try:
        here, there = (onnx.defs.get_schema(node.op_type, version, "") for version in (found, wanted))
    except onnx.defs.SchemaError:
        return True
    if here.since_version == there.since_version:
        return False
    if _form(here.inputs) != _form(there.inputs) or _form(here.outputs) != _form(there.outputs):
        return True
    mine, theirs = _attributes(here), _attributes(there)
    if wanted < found:
        given = {attribute.name for attribute in node.attribute}
        mine = {name: value for name, value in mine.items() if name in theirs or name in given}
    return mine != theirs


def _form(parameters: Sequence[onnx.defs.OpSchema.FormalParameter]) -> list[tuple[str, object]]:
    """Return names of the inputs or outputs of an operator, and whether each may be left out."""
    return [(one.name, one.option) for one in parameters]


def _attributes(schema: onnx.defs.OpSchema) -> dict[str, tuple[object, bytes]]:
    """Return type and default of an operator's attributes, by name."""
    return {
        name: (one.type, one.default_value.SerializeToString() if one.default_value else b"")
        for name, one in schema.attributes.items()
    }


def _first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return next(iter(str(error).splitlines()), type(error).__name__)
