"""Everything that is known of a graph before it is written: its description filled in, its sizes, what it gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from crosswire.contract import TensorSpec
from crosswire.contract.wire_names import DEPTH, RGB
from crosswire.export.adopt.description import SPECTROGRAM, Description, InputDescription, OutputDescription
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.adopt.fill import channels_of, fill_images
from crosswire.export.adopt.fill_clips import banks_of, clip_shape, clip_spec, fill_clips
from crosswire.export.adopt.graphs.assemble import assembled, inside
from crosswire.export.adopt.graphs.batch import batched, noise, sized
from crosswire.export.adopt.graphs.clips import clip_nodes
from crosswire.export.adopt.graphs.convert import converted
from crosswire.export.adopt.graphs.inputs import image_nodes
from crosswire.export.adopt.graphs.mel import Banks
from crosswire.export.adopt.graphs.nodes import Nodes
from crosswire.export.adopt.graphs.source import Source, nodes_of
from crosswire.export.adopt.graphs.unsupported import check_inputs, check_outputs, check_types
from crosswire.export.adopt.proof.sessions import runner_of
from crosswire.export.adopt.tasks.answer import Answer
from crosswire.export.adopt.tasks.classification import ClassificationAnswer
from crosswire.export.adopt.tasks.segmentation import SegmentationAnswer
from crosswire.export.adopt.tasks.translation import TranslationAnswer

Array = NDArray[Any]
CLASSIFICATION = "classification"
#: Names by which exporters call the output that counts, the likeliest first.
USUAL_OUTPUTS = ("logits", "out", "output", "predicted_depth", "probabilities", "clipwise_output")


@dataclass(frozen=True)
class Prepared:
    """A graph and its description, ready to be written.

    Attributes:
        source: the graph as it was read.
        description: with every field that applies.
        core: the graph in versions that servers read, with fixed sizes and an open batch axis where it has one.
        open_batch: whether it takes batches.
        shapes: sizes of its inputs without the batch axis, by its own names.
        inputs: of the adopted graph.
        answer: what becomes of its outputs.
    """

    source: Source
    description: Description
    core: onnx.ModelProto
    open_batch: bool
    shapes: Mapping[str, tuple[int, ...]]
    inputs: tuple[TensorSpec, ...]
    answer: Answer

    @cached_property
    def parts(self) -> dict[str, tuple[InputDescription, ...]]:
        """Descriptions of what every input of the original graph is made of, by its name."""
        found: dict[str, tuple[InputDescription, ...]] = {}
        for one in self.description.inputs:
            assert one.graph_input is not None
            found[one.graph_input] = (*found.get(one.graph_input, ()), one)
        return found

    @property
    def dtypes(self) -> dict[str, str]:
        """Element types of the original graph's inputs, by its names."""
        return {wire.name: wire.dtype for wire in self.source.inputs}

    def channels(self, graph_input: str) -> int:
        """Return how many channels an input of the original graph has."""
        layout, shape = self.parts[graph_input][0].layout or "", self.shapes[graph_input]
        return shape[layout.index("C") - 1] if "C" in layout else 1

    def banks(self, graph_input: str) -> Banks | None:
        """Return the filter banks that an input of the original graph is made of; None where it is no spectrogram."""
        one = self.parts[graph_input][0]
        wire = next(wire for wire in self.source.inputs if wire.name == graph_input)
        return banks_of(one, wire) if one.role == SPECTROGRAM else None

    def graph(self, name: str, *, cpu: bool) -> onnx.ModelProto:
        """Return the adopted graph, laid out for a CPU or for TensorRT."""
        before = [self._front(graph_input) for graph_input in self.parts]
        outputs = [spec for spec in self.answer.outputs if spec.computed]
        return assembled(inside(self.core), before, self.answer.nodes(cpu=cpu), self.inputs, outputs, name)

    def _front(self, graph_input: str) -> Nodes:
        """Return the nodes before one input of the network."""
        parts = self.parts[graph_input]
        wire = next(wire for wire in self.source.inputs if wire.name == graph_input)
        shape = (-1 if self.open_batch else 1, *self.shapes[graph_input])
        if self.description.task == CLASSIFICATION:
            return clip_nodes(parts[0], graph_input, shape, wire.dtype, self.banks(graph_input))
        counts = [channels_of(one, wire, len(parts)) for one in parts]
        return image_nodes(parts, graph_input, shape, wire.dtype, counts)


def prepare(
    source: Source, description: Description, size: tuple[int, int] | None, seconds: float | None = None
) -> Prepared:
    """Fill in a description, bring its graph to sizes and versions that are served, and look at what it gives.

    Args:
        source: the graph.
        description: as far as it was said, its task included.
        size: height and width that were asked for, or None.
        seconds: how much of a clip was asked for, or None.

    Raises:
        AdoptError: something cannot be known, or cannot be served.
    """
    _check_kinds(description)
    known = [one.graph_input for one in description.inputs if one.role]
    if description.task == CLASSIFICATION:
        check_inputs(source, [*known, *(wire.name for wire in source.inputs if "mask" in wire.name.lower())])
        filled = fill_clips(description, source, size, seconds)  # which has a reason of its own to refuse a mask
    elif seconds is None:
        check_inputs(source, known)
        filled = fill_images(description, source, size)
        _check_roles(filled)
    else:
        raise AdoptError(f"got --seconds {seconds:g}, which classifications alone take; leave it out")
    shapes = {wire.name: _shape(filled, source, wire.name) for wire in source.inputs}
    model = converted(source)
    wanted = _wanted(filled.outputs, source)
    model = _only(model, [str(one.graph_output) for one in wanted])
    check_outputs(source, model, [str(one.graph_output) for one in wanted])
    check_types(model)
    core = batched(model, shapes, half=source.half)
    fixed = sized(model, shapes, 1)
    given = _given(fixed, shapes)
    answer = _answer(filled, wanted, given)
    filled = dataclasses.replace(filled, outputs=answer.described)
    inputs = _specs(filled, source)
    return Prepared(source, filled, fixed if core is None else core, core is not None, shapes, inputs, answer)


def _specs(description: Description, source: Source) -> tuple[TensorSpec, ...]:
    """Describe what is sent."""
    if description.task == CLASSIFICATION:
        return tuple(clip_spec(one) for one in description.inputs)
    wires = {wire.name: wire for wire in source.inputs}
    counts = [sum(other.graph_input == one.graph_input for other in description.inputs) for one in description.inputs]
    return tuple(
        input_spec(one, channels_of(one, wires[str(one.graph_input)], count))
        for one, count in zip(description.inputs, counts, strict=True)
    )


def _given(fixed: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return what a graph gives for noise, refusing one that gives no numbers, or others the second time."""
    run, feed = runner_of(fixed), noise(fixed, shapes, 1)
    given, again = run(feed), run(feed)
    for name, array in given.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise AdoptError(f"output {name!r} has NaN or infinite values for noise; look at the weights of the export")
        if array.shape != again[name].shape or not np.allclose(array, again[name], rtol=1e-3, atol=1e-3):
            raise AdoptError(f"output {name!r} differs from run to run for one input; export it in evaluation mode")
    return given


def input_spec(one: InputDescription, channels: int) -> TensorSpec:
    """Describe what is sent for an image; a graph that clips does so itself, so no distance is refused before it."""
    assert one.role is not None and one.size is not None
    axes = ("height", "width")
    if one.role == DEPTH:
        return TensorSpec(one.role, "FP32", one.size, axes, "metre", missing=0.0)
    shape = (*one.size, channels)
    return TensorSpec(one.role, "UINT8", shape, (*axes, "channel"), "intensity 0..255", valid_range=(0.0, 255.0))


def _check_kinds(description: Description) -> None:
    """Refuse what no pipeline of the server carries, with the reason.

    Raises:
        AdoptError: see there.
    """
    for one in description.outputs:
        if one.kind == "embeddings":
            raise AdoptError("output of kind embeddings cannot be served: no pipeline answers with vectors")


def _check_roles(description: Description) -> None:
    """Refuse inputs that no segmentation pipeline takes."""
    wrong = [one for one in description.inputs if one.role not in (RGB, DEPTH)]
    if description.task == "segmentation" and wrong:
        raise AdoptError(
            f"input {wrong[0].graph_input!r} has the role {wrong[0].role!r}; segmentations take rgb and depth alone"
        )


def _shape(description: Description, source: Source, name: str) -> tuple[int, ...]:
    """Return the sizes of an input of the graph, without its batch axis."""
    wire = next(wire for wire in source.inputs if wire.name == name)
    parts = [one for one in description.inputs if one.graph_input == name]
    first = parts[0]
    if description.task == CLASSIFICATION:
        return clip_shape(first, wire)
    assert first.layout is not None and first.size is not None
    count = sum(channels_of(one, wire, len(parts)) for one in parts)
    sizes = {"C": count, "H": first.size[0], "W": first.size[1]}
    found = tuple(sizes[axis] for axis in first.layout[1:])
    own = wire.shape[1:] if wire.shape is not None else found
    if any(mine is not None and mine != size for mine, size in zip(own, found, strict=True)):
        roles = " and ".join(str(one.role) for one in parts)
        raise AdoptError(f"input {wire} does not fit {roles}, which make [?, {', '.join(map(str, found))}]; see tile")
    return found


def _wanted(described: Sequence[OutputDescription], source: Source) -> tuple[OutputDescription, ...]:
    """Return descriptions that each name an output of the graph, or a tensor inside it; the others are left out."""
    names = [wire.name for wire in source.outputs]
    if not described:
        described = (OutputDescription(),)
    found = []
    for one in described:
        if one.graph_output is None:
            usual = next((name for name in USUAL_OUTPUTS if name in names), names[0] if len(names) == 1 else None)
            if usual is None or len(described) > 1:
                if not any(wire.shape is None or len(wire.shape) == 4 for wire in source.outputs):
                    check_outputs(source, source.model, names)
                listed = ", ".join(map(str, source.outputs))
                raise AdoptError(f"the graph has several outputs; say with --output which counts: {listed}")
            one = dataclasses.replace(one, graph_output=usual)
        elif one.graph_output not in names and not _inside(source, one.graph_output):
            raise AdoptError(
                f"the graph has no output {one.graph_output!r}; it has {', '.join(map(str, source.outputs))}"
            )
        found.append(one)
    return tuple(found)


def _inside(source: Source, name: str) -> bool:
    """Say whether a tensor is inside a graph."""
    return any(name in node.output for node in nodes_of(source.model.graph))


def _only(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a graph that makes some tensors alone, without the nodes that only others need."""
    there = {value.name: value for value in model.graph.output}
    outputs = [there.get(name, onnx.ValueInfoProto(name=name)) for name in names]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    needed = set(names)
    kept = []
    for node in reversed(model.graph.node):
        if any(name in needed for name in node.output):
            kept.append(node)
            needed.update(node.input)
            needed.update(name for inner in nodes_of_branches(node) for name in inner.input)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(kept)]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    if len(weights) < len(model.graph.initializer):
        weights = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in weights]
        del model.graph.initializer[:]
        model.graph.initializer.extend(weights)
    return model


def nodes_of_branches(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes inside the branches of a node."""
    graphs = [one.g for one in node.attribute if one.HasField("g")]
    graphs += [graph for one in node.attribute for graph in one.graphs]
    return [inner for graph in graphs for inner in nodes_of(graph)]


def _answer(description: Description, wanted: Sequence[OutputDescription], given: Mapping[str, Array]) -> Answer:
    """Return what becomes of a graph's outputs."""
    if description.task == CLASSIFICATION:
        if len(wanted) != 1:
            raise AdoptError(f"a classification has one output; {len(wanted)} are described: leave one")
        return ClassificationAnswer(wanted[0], given[str(wanted[0].graph_output)])
    size = description.inputs[0].size
    assert size is not None
    if description.task == "translation":
        return TranslationAnswer(wanted, given, size)
    if len(wanted) != 1:
        raise AdoptError(f"a segmentation has one output; {len(wanted)} are described: leave one")
    return SegmentationAnswer(wanted[0], given[str(wanted[0].graph_output)], size)
