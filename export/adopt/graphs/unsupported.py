"""Graphs of other kinds, refused by name: those with a memory, readers of text, detectors, numbers of other types."""

from __future__ import annotations

import re
from collections.abc import Iterable

import onnx

from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.graphs.source import WHOLE_NUMBERS, Source, Wire, node_name, nodes_of

_STATES = re.compile(r"(h|c)(_?(0|n|in|prev))?|.*(state|hidden|cell|cache|memory).*|past_.*", re.IGNORECASE)
_TEXTS = re.compile(r"(input|token|decoder_input|text)_?(type_)?ids?|tokens?|attention_mask", re.IGNORECASE)
_BOXES = re.compile(r".*(box|bbox|dets?|detection|rois?)(es|s)?(_.*)?|num_dets?", re.IGNORECASE)
#: Operators that choose boxes.
CHOOSING = frozenset({"NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "RoiAlign", "MaxRoiPool"})
#: Tasks of Ultralytics whose answers are boxes, with further numbers of each.
_BOX_TASKS = ("detect", "segment", "pose", "obb")
_EIGHT_BIT_FLOATS = frozenset(one for name, one in onnx.TensorProto.DataType.items() if name.startswith("FLOAT8"))


def check_inputs(source: Source, described: Iterable[str | None]) -> None:
    """Refuse inputs that no request carries.

    Args:
        source: the graph.
        described: the graph's own names of inputs whose role somebody said.

    Raises:
        AdoptError: an input is a state, token ids, or a setting.
    """
    known = set(described)
    for wire in source.inputs:
        if wire.name in known or _is_picture(wire):
            continue
        if _STATES.fullmatch(wire.name) and wire.dtype not in WHOLE_NUMBERS:
            raise AdoptError(
                f"input {wire} is a state from one call to the next, which requests that know nothing of each other do "
                "not carry; export the network so that it starts anew with every call"
            )
        if wire.dtype in WHOLE_NUMBERS and (
            _TEXTS.fullmatch(wire.name) or (_rank(wire) == 2 and wire.dtype in ("INT32", "INT64"))
        ):
            raise AdoptError(
                f"input {wire} takes the numbers of words; text is sent by no request: export the part of the network "
                "that takes images, or with its text as a constant"
            )
        if _rank(wire) in (0, 1):
            raise AdoptError(
                f"input {wire} is a setting of {_rank(wire)} axes, which no request carries; export the network with a "
                "constant in its place"
            )


def check_outputs(source: Source, model: onnx.ModelProto, wanted: Iterable[str]) -> None:
    """Refuse networks that find boxes.

    Args:
        source: the graph.
        model: the part of it that makes what is wanted.
        wanted: names of tensors.

    Raises:
        AdoptError: a node chooses boxes, or the outputs are those of a detector.
    """
    reason = "the network is a detector, and no pipeline answers with boxes: adopt networks with an answer per pixel"
    for node in nodes_of(model.graph):
        if node.op_type in CHOOSING:
            raise AdoptError(f"{node_name(node)} chooses among boxes: {reason}")
    wires = {wire.name: wire for wire in source.outputs}
    for name in wanted:
        if name in wires and _BOXES.fullmatch(name) and _rank(wires[name]) in (1, 2, 3):
            raise AdoptError(f"output {wires[name]} gives boxes: {reason}")
    task = source.metadata.get("task", "").strip("\"'")
    several = next((wire for wire in source.outputs if _rank(wire) == 3), None)
    if task in _BOX_TASKS and several is not None:
        raise AdoptError(f"output {several} gives boxes, says metadata task {task!r}: {reason}")


def check_types(model: onnx.ModelProto) -> None:
    """Refuse 8-bit floats: ONNX Runtime 1.32 drops a Relu before them as if they had no sign.

    Args:
        model: the part of the graph that makes what is wanted.

    Raises:
        AdoptError: a node takes or makes them.
    """
    nodes = list(nodes_of(model.graph))
    constants = {one.name: one.data_type for one in model.graph.initializer}
    constants |= {
        node.output[0]: part.t.data_type for node in nodes for part in node.attribute if node.op_type == "Constant"
    }
    for node in nodes:
        kinds = {constants.get(name) for name in node.input}
        kinds |= {part.i for part in node.attribute if part.name in ("to", "output_dtype")}
        if kinds & _EIGHT_BIT_FLOATS:
            raise AdoptError(
                f"{node_name(node)} takes or makes 8-bit floats, which ONNX Runtime computes wrongly behind a Relu; "
                "adopt the network in floats of 32 or 16 bits, and ask for --precision int8"
            )


def _rank(wire: Wire) -> int | None:
    """Return how many axes an input or an output has, None where that is not said."""
    return None if wire.shape is None else len(wire.shape)


def _is_picture(wire: Wire) -> bool:
    """Say whether an input can be an image or frames."""
    return wire.shape is None or len(wire.shape) in (4, 5)
