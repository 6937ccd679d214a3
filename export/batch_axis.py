"""Graphs that were translated at one batch size, opened for any.

PyTorch's translation with a symbolic batch axis asks of every operator whether its shapes hold for every batch, which
takes more than half of its time. Here the network is traced at a batch size that no other size of it is a multiple of,
so that the batch is told from everything else in the graph, and what was computed from it is put back: a size of
reshapes, the first size of resizes, and the rows of what every sample gets alike. A graph that holds the batch
elsewhere is left to the symbolic translation.

What does not show is a number that is no multiple of the batch any more, as half of it. So this is for networks whose
samples do not know of each other and whose exports are proven at several batch sizes, not for somebody else's modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

from crosswire.contract import TensorSpec

#: Batch sizes to trace at; a network with a size that is a multiple of each of them would have thousands of channels.
_PRIMES = (97, 101, 103, 107, 109, 113, 131, 137)  # 127 divides the largest integer, which ends slices
_LARGEST_CONSTANT = 64  # elements; shapes are shorter, weights hold values that mean nothing here
_DIM = "batch"


def telling_batch(network: nn.Module, inputs: Sequence[TensorSpec]) -> int | None:
    """Return a batch size that divides no size of a network's inputs and weights, or None.

    Args:
        network: what is translated.
        inputs: its inputs.
    """
    shapes = [spec.shape for spec in inputs] + [tensor.shape for tensor in network.state_dict().values()]
    sizes = {size for shape in shapes for size in shape}
    return next((prime for prime in _PRIMES if all(size % prime for size in sizes)), None)


def opened(model: onnx.ModelProto, batch: int) -> bool:
    """Open the batch axis of a graph in place.

    Args:
        model: a graph that was traced at a batch size from `telling_batch`.
        batch: that size.

    Returns:
        whether it was done; if not, the graph is of no use.
    """
    graph = model.graph
    opening = _Opening(graph, batch)
    if not opening.repeated_rows() or not opening.reshapes_and_resizes() or opening.mentions_batch():
        return False
    if any(_dims(value)[:1] != [batch] for value in (*graph.input, *graph.output)):
        return False
    for value in (*graph.input, *graph.value_info, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_value == batch:
                size.dim_param = _DIM
            elif size.dim_value % batch == 0:  # the batch times something
                size.Clear()
    return True


class _Opening:
    """One graph whose batch axis is opened."""

    def __init__(self, graph: onnx.GraphProto, batch: int) -> None:
        """Look up constants and shapes."""
        self._graph, self._batch = graph, batch
        self._constants = {one.name: one for one in graph.initializer}
        values = (*graph.input, *graph.value_info, *graph.output)
        self._shapes: Mapping[str, list[int]] = {value.name: _dims(value) for value in values}
        self._floats = {v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}

    def repeated_rows(self) -> bool:
        """Let constants with one and the same row for every sample be that row, repeated as often as there are samples.

        Returns:
            whether every such constant is read behind a value that tells how many there are.
        """
        nodes: list[onnx.NodeProto] = []
        repeated: dict[str, str] = {}
        counted = next((value.name for value in self._graph.input if self._counts(value.name)), None)
        for node in self._graph.node:
            for place, name in enumerate(node.input):
                rows = self._constants.get(name)
                if rows is None or list(rows.dims[:1]) != [self._batch]:
                    continue
                if name not in repeated:
                    values = numpy_helper.to_array(rows)
                    if counted is None or not (values == values[:1]).all():
                        return False
                    repeated[name] = f"{name}_rows"
                    nodes += self._repeated(name, values[:1], counted)
                node.input[place] = repeated[name]
            nodes.append(node)
            counted = next((name for name in node.output if self._counts(name)), counted)
        self._replace(nodes)
        return True

    def _repeated(self, name: str, row: NDArray[Any], counted: str) -> list[onnx.NodeProto]:
        """Return the nodes that repeat a row [1, ...] as often as a value has samples."""
        self._constants[f"{name}_row"] = numpy_helper.from_array(row, f"{name}_row")
        self._graph.initializer.append(self._constants[f"{name}_row"])
        sizes = [f"{name}_first", self._constant(row.shape[1:])] if row.ndim > 1 else [f"{name}_first"]
        return [
            helper.make_node("Shape", [counted], [sizes[0]], start=0, end=1),
            helper.make_node("Concat", sizes, [f"{name}_sizes"], axis=0),
            helper.make_node("Expand", [f"{name}_row", f"{name}_sizes"], [f"{name}_rows"]),
        ]

    def reshapes_and_resizes(self) -> bool:
        """Replace the batch in the constant shapes of reshapes and the constant sizes of resizes."""
        nodes: list[onnx.NodeProto] = []
        sizes: dict[tuple[int, ...], str] = {}
        for node in self._graph.node:
            place = {"Reshape": 1, "Resize": 3}.get(node.op_type)
            shape = None if place is None else self._shape(node, place)
            if place is not None and shape is not None and self._told(shape):
                found = [at for at, size in enumerate(shape) if self._is_told(size)]
                if len(found) != 1 or not self._has_batch(node.input[0]) or -1 in shape:
                    return False
                if node.op_type == "Reshape":
                    node.input[1] = self._constant([-1 if at == found[0] else size for at, size in enumerate(shape)])
                elif shape[:1] == self._shapes[node.input[0]][:1]:
                    nodes += self._measured(node, tuple(shape), sizes)
                else:
                    return False
            nodes.append(node)
        self._replace(nodes)
        return True

    def _replace(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Put other nodes in the place of the graph's, and drop the constants that none of them reads."""
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del self._graph.node[:]
        self._graph.node.extend(copies)
        self._drop_unused()

    def _measured(
        self, resize: onnx.NodeProto, shape: tuple[int, ...], sizes: dict[tuple[int, ...], str]
    ) -> list[onnx.NodeProto]:
        """Let a resize keep the first size of what it enlarges; returns the nodes that stand before it.

        Args:
            resize: the node.
            shape: its constant sizes.
            sizes: what was made for resizes before it, by their constant sizes.
        """
        known = shape in sizes
        resize.input[3] = sizes.setdefault(shape, f"sizes_{len(sizes)}")
        if known:
            return []
        first = f"{resize.input[3]}_first"
        return [
            helper.make_node("Shape", [resize.input[0]], [first], start=0, end=1),
            helper.make_node("Concat", [first, self._constant(shape[1:])], [resize.input[3]], axis=0),
        ]

    def mentions_batch(self) -> bool:
        """Say whether a constant of the graph still speaks of the batch that was traced."""
        for tensor in self._graph.initializer:
            if self._told(tensor.dims):
                return True
            if int(np.prod(tensor.dims)) <= _LARGEST_CONSTANT and self._told(_whole(tensor)):
                return True
        return any(self._told(_numbers(attribute)) for node in self._graph.node for attribute in node.attribute)

    def _shape(self, node: onnx.NodeProto, place: int) -> list[int] | None:
        """Return the constant shape that a node reads, or None."""
        if len(node.input) <= place or node.input[place] not in self._constants:
            return None
        return [int(size) for size in numpy_helper.to_array(self._constants[node.input[place]])]

    def _has_batch(self, name: str) -> bool:
        """Say whether exactly one size of a value is the batch or a multiple."""
        return sum(map(self._is_told, self._shapes.get(name, ()))) == 1

    def _counts(self, name: str) -> bool:
        """Say whether the first size of a value of floats is the batch; TensorRT knows no shape of bytes."""
        return name in self._floats and self._shapes[name][:1] == [self._batch]

    def _told(self, sizes: Iterable[float]) -> bool:
        """Say whether one of some numbers is a multiple of the batch."""
        return any(map(self._is_told, sizes))

    def _is_told(self, size: float) -> bool:
        """Say whether a number is a multiple of the batch."""
        return size != 0 and size % self._batch == 0

    def _constant(self, sizes: Sequence[int]) -> str:
        """Add a constant of sizes to the graph and return its name."""
        name = "shape_" + "_".join(map(str, sizes)).replace("-1", _DIM)
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.array(sizes, np.int64), name)
            self._graph.initializer.append(self._constants[name])
        return name

    def _drop_unused(self) -> None:
        """Remove constants that no node reads any more."""
        read = {name for node in self._graph.node for name in node.input} | {one.name for one in self._graph.output}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in read]
        if len(kept) < len(self._graph.initializer):
            copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
            del self._graph.initializer[:]
            self._graph.initializer.extend(copies)


def _dims(value: onnx.ValueInfoProto) -> list[int]:
    """Return the sizes of a value; 0 for one that is not known."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _whole(tensor: onnx.TensorProto) -> list[float]:
    """Return the values of a small constant."""
    values = numpy_helper.to_array(tensor)
    return [float(value) for value in values.ravel()] if values.dtype.kind in "iuf" else []


def _numbers(attribute: onnx.AttributeProto) -> list[float]:
    """Return the numbers of an attribute, those of a constant in it too."""
    if attribute.HasField("t"):
        return [*attribute.t.dims, *_whole(attribute.t)]
    return [attribute.i, attribute.f, *attribute.ints, *attribute.floats]
