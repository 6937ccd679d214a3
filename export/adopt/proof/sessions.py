"""Running graphs in ONNX Runtime on arrays by name, with errors that name the node."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from crosswire.export.adopt.errors import AdoptError
from crosswire.export.graph_file import save
from crosswire.export.parity import granted_threads
from crosswire.export.tensorrt.operators import LARGEST_FILE

Array = NDArray[Any]
Arrays = dict[str, Array]
#: Takes arrays by the names of inputs, and returns some by the names of tensors.
Run = Callable[[Mapping[str, Array]], Arrays]


def runner_of(model: onnx.ModelProto, wanted: Sequence[str] = ()) -> Run:
    """Return a function that runs a graph on the CPU.

    Args:
        model: the graph, with its weights.
        wanted: names of outputs or of tensors inside; all outputs if empty.

    Raises:
        AdoptError: ONNX Runtime does not take the graph.
    """
    names = list(wanted) or [value.name for value in model.graph.output]
    tapped = _with_outputs(model, names)
    if tapped.ByteSize() <= LARGEST_FILE:
        return _running(_opened(tapped.SerializeToString()), names)
    with tempfile.TemporaryDirectory(prefix="adopted-") as folder:  # protobuf has no message that large
        path = Path(folder) / "model.onnx"
        save(tapped, path)
        return _running(_opened(str(path)), names)


def file_runner(path: Path) -> Run:
    """Return a function that runs the graph of a file, all outputs, as it is.

    Raises:
        AdoptError: ONNX Runtime does not take the graph.
    """
    session = _opened(str(path))
    return _running(session, [value.name for value in session.get_outputs()])


def first_line(error: Exception) -> str:
    """Return the first line of an error of ONNX Runtime, without its codes."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)[:400]


def _opened(source: str | bytes) -> onnxruntime.InferenceSession:
    """Open a session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = granted_threads()
    options.log_severity_level = 4  # errors are raised, too
    options.add_session_config_entry("session.x64quantprecision", "1")  # without VNNI int8 sums would be cut off
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common class of its errors
        raise AdoptError(
            f"ONNX Runtime {onnxruntime.__version__} does not take the graph: {first_line(error)}"
        ) from error


def _running(session: onnxruntime.InferenceSession, names: Sequence[str]) -> Run:
    """Return a function that runs a session."""
    taken = {value.name for value in session.get_inputs()}

    def run(feed: Mapping[str, Array]) -> Arrays:
        try:
            found = session.run(list(names), {name: array for name, array in feed.items() if name in taken})
        except Exception as error:  # ONNX Runtime has no common class of its errors
            raise AdoptError(f"ONNX Runtime cannot run the graph: {first_line(error)}") from error
        return dict(zip(names, map(np.asarray, found), strict=True))

    return run


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a graph with exactly some tensors as its outputs."""
    there = {value.name: value for value in model.graph.output}
    if list(there) == list(names):
        return model
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    del tapped.graph.output[:]
    tapped.graph.output.extend(there.get(name, onnx.ValueInfoProto(name=name)) for name in names)
    return tapped
