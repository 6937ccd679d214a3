"""Files of ONNX graphs: where they lie in a network's folder, how they are written, what a contract says of them."""

from __future__ import annotations

from pathlib import Path

import onnx

from crosswire.contract import Graph, sha256_of
from crosswire.contract.errors import CrosswireError
from crosswire.export.tensorrt.operators import LARGEST_FILE

#: What ONNX Runtime 1.19 and TensorRT 10 read.
OPSET = 18
IR_VERSION = 10

#: Where the graph that takes every input lies in a network's folder.
GRAPH = "1/model.onnx"

#: Name of the logits inside every graph; everything behind them is the tail.
LOGITS = "logits"


class GraphError(CrosswireError, ValueError):
    """The exported graph breaks a promise; the message says which."""


def save(model: onnx.ModelProto, path: Path, *, largest: int = LARGEST_FILE) -> None:
    """Write a graph, with its weights in a second file beside it where one file would be too large.

    Args:
        model: the graph.
        path: of the file.
        largest: bytes of weights that the graph's own file may hold.
    """
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    onnx.save(model, path, save_as_external_data=weights > largest, location=weights_file(path), size_threshold=1024)


def weights_file(graph: Path) -> str:
    """Return the name of the file for weights that do not fit into the graph's own, which protobuf limits to 2 GB."""
    return f"{graph.name}.data"


def variant_graph(folder: Path, variant: str) -> Path:
    """Return where the graph of a `Variant` lies in a network's folder; "" is the one that takes every input."""
    return (folder / GRAPH).with_suffix(f".{variant}.onnx" if variant else ".onnx")


def described(path: Path, folder: Path, *, opset: int = OPSET) -> Graph:
    """Describe a graph's file below a network's folder, with its weights where they lie in a second one.

    Args:
        path: of the file.
        folder: of the network.
        opset: operator set of the graph.
    """
    weights = path.with_name(weights_file(path))
    return Graph(
        str(path.relative_to(folder)),
        sha256_of(path),
        opset,
        IR_VERSION,
        weights=str(weights.relative_to(folder)) if weights.exists() else "",
        weights_sha256=sha256_of(weights) if weights.exists() else "",
    )
