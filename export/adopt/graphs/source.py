"""Reading somebody else's ONNX file: what it holds, and what of it cannot be served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from crosswire.export.adopt.errors import AdoptError

#: Sets of operators that ONNX Runtime has.
DOMAINS = ("", "ai.onnx", "com.microsoft", "ai.onnx.ml")
#: Operators whose answers differ from one run to the next.
RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
FLOATS = ("FLOAT", "FLOAT16", "DOUBLE")
WHOLE_NUMBERS = ("UINT8", "INT8", "INT16", "UINT16", "INT32", "INT64")


@dataclass(frozen=True)
class Wire:
    """One input or output of a graph.

    Attributes:
        name: the graph's own name of it.
        dtype: ONNX's name of the element type.
        shape: size of every axis, None where the graph leaves it open; None where it does not even say how many.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """Describe it as messages do: `input.1 FLOAT [1, 3, ?, ?]`."""
        if self.shape is None:
            return f"{self.name} {self.dtype} of unknown shape"
        return f"{self.name} {self.dtype} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class Source:
    """A graph as it was read.

    Attributes:
        path: of its file.
        model: all of it, weights included.
        inputs: what it takes, without its own weights.
        outputs: what it gives.
    """

    path: Path
    model: onnx.ModelProto
    inputs: tuple[Wire, ...]
    outputs: tuple[Wire, ...]

    @property
    def metadata(self) -> dict[str, str]:
        """What its exporter wrote beside the graph, by key."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    @property
    def half(self) -> bool:
        """Whether any of its weights, inputs or outputs is of 16 bits, so that answers are exact to those alone."""
        values = (*self.model.graph.input, *self.model.graph.output)
        types = {tensor.data_type for tensor in self.model.graph.initializer}
        return TensorProto.FLOAT16 in types | {value.type.tensor_type.elem_type for value in values}

    @property
    def producer(self) -> str:
        """What wrote it."""
        return f"{self.model.producer_name} {self.model.producer_version}".strip()


def read_graph(path: Path) -> Source:
    """Read an ONNX file with its weights, also where these lie in further files beside it.

    Args:
        path: of the file.

    Raises:
        AdoptError: it is missing, is no ONNX graph, lacks its weights, or holds what no server of ours can run.
    """
    if not path.is_file():
        raise AdoptError(f"{path} is no file; name an ONNX graph: model.onnx")
    try:
        model = onnx.load(path)
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise AdoptError(f"{path}: its weights cannot be read ({error}); put its external data beside it") from error
    except Exception as error:  # protobuf's own, by whatever name the installed release has it
        raise AdoptError(f"{path} is no ONNX file ({error}); export the network to ONNX first") from error
    if not model.graph.node or not model.graph.output:
        raise AdoptError(f"{path} holds no graph: {len(model.graph.node)} nodes, {len(model.graph.output)} outputs")
    weights = {tensor.name for tensor in model.graph.initializer}
    taken = [value for value in model.graph.input if value.name not in weights]
    if not taken:
        raise AdoptError(f"{path} takes no input; export the network with its inputs")
    source = Source(path, model, tuple(map(_wire, taken)), tuple(map(_wire, model.graph.output)))
    _check_operators(path, model)
    return source


def wire_sizes(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """Return the sizes of a tensor's axes, None for what is left open."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim)


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield all nodes of a graph, those of its branches and loops among them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from nodes_of(inner)


def node_name(node: onnx.NodeProto) -> str:
    """Return how messages name a node: by its own name, or by what it writes."""
    return f"{node.op_type} {node.name or next(iter(node.output), '')!r}"


def _wire(value: onnx.ValueInfoProto) -> Wire:
    """Describe an input or an output, refusing one that is no tensor of numbers."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise AdoptError(f"{value.name} is a {kind}, where a tensor is expected; export the network without it")
    return Wire(value.name, TensorProto.DataType.Name(value.type.tensor_type.elem_type), wire_sizes(value))


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    """Refuse operators that no server of ours has, and those that answer at random."""
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes_of(model.graph):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            raise AdoptError(
                f"{path}: {node_name(node)} is an operator of {node.domain!r}, which ONNX Runtime does not have; "
                "export the network with standard operators alone"
            )
        if node.op_type in RANDOM:
            raise AdoptError(
                f"{path}: {node_name(node)} answers at random, so that nothing can be proven; export the network in "
                "evaluation mode"
            )
