"""What TensorRT would refuse in a graph: its own parser is asked where it is installed, else a maintained table."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import onnx

from crosswire.export.tensorrt.builder import RTX, EngineError, listener, load_library, parsed, wire_of
from crosswire.export.tensorrt.operators import LARGEST_FILE, rejected_constants, table_faults

_WIRE_TYPES = {"FLOAT": "FP32", "FLOAT16": "FP16"}


def lint(model: onnx.ModelProto) -> list[str]:
    """Return what TensorRT would refuse in a graph, one line per fault; none means that it should build.

    Args:
        model: with the shapes of its inputs, and its weights.
    """
    if parser() is None:
        return table_faults(model)
    if model.ByteSize() <= LARGEST_FILE:
        return parser_faults(model, model.SerializeToString())
    with tempfile.TemporaryDirectory() as folder:  # protobuf has no message that large
        path = Path(folder) / "model.onnx"
        onnx.save(model, path, save_as_external_data=True, location="weights")
        return parser_faults(onnx.load(path, load_external_data=False), path)


def faults_of_file(path: Path) -> list[str]:
    """Return what TensorRT would refuse in the graph of a file; see `lint`."""
    model = onnx.load(path, load_external_data=False)
    if parser() is None:
        return table_faults(model)
    return parser_faults(model, path)


def parser_faults(model: onnx.ModelProto, source: Path | bytes) -> list[str]:
    """Return what the installed parser refuses, what it reads as another wire, and constants that the builder refuses.

    Args:
        model: the graph; its weights may be elsewhere.
        source: what the parser reads: the graph's file, or its bytes.
    """
    trt = parser()
    log = listener(trt)
    network, faults = parsed(trt, log, trt.Builder(log), source)
    if not faults and (found := wire_of(network)) != (promised := _wire(model)):
        faults = [f"it reads inputs and outputs {found} where the graph has {promised}"]
    return faults or rejected_constants(model.graph)


@functools.cache
def parser() -> Any:
    """Return the library whose parser is asked, or None where it is not installed."""
    try:
        return load_library(RTX)
    except EngineError:
        return None


def _wire(model: onnx.ModelProto) -> list[tuple[str, str, list[int]]]:
    """Return name, dtype and shape of a graph's inputs and outputs as `wire_of` gives those of a network."""
    found = []
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.tensor_type
        dtype = onnx.TensorProto.DataType.Name(kind.elem_type)
        sizes = [-1 if dim.dim_param else dim.dim_value for dim in kind.shape.dim]
        found.append((value.name, _WIRE_TYPES.get(dtype, dtype), sizes))
    return found
