"""Running a graph of any precision on the processor, to prove it: those for TensorRT alone need help there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx

from crosswire.export.graph_file import save
from crosswire.export.parity import Runner, onnx_runner
from crosswire.export.quantization.bfloat16 import BFLOAT16_OPSET, emulated
from crosswire.export.quantization.float8 import FLOAT8_OPSET

#: Operator sets of graphs, by precision, that are not the ordinary one.
OPSETS = {"bf16": BFLOAT16_OPSET, "fp8": FLOAT8_OPSET}
#: By precision, how the processor stands in for TensorRT; stands in the contract beside what was measured.
STAND_IN = {
    "bf16": "every result of the network rounded to bf16 on the processor",
    "fp8": "fp8 taken apart on the processor",
}


def proof_runner(path: Path, precision: str, taps: Sequence[str] = ()) -> Runner:
    """Return a function that runs a graph on the processor, see `onnx_runner`.

    ONNX Runtime has no convolution in bfloat16 there. Of float8 it fuses what it should not: with all its optimisations
    the answers of release 1.32 are wrong, with the basic ones they are those of the graph.

    Args:
        path: the graph's file.
        precision: of the graph.
        taps: names of tensors inside the graph that are returned behind its outputs.
    """
    if precision == "fp8":
        return onnx_runner(path, taps, basic=True)
    if precision != "bf16":
        return onnx_runner(path, taps)
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / path.name
        save(emulated(onnx.load(path)), stand_in)
        return onnx_runner(stand_in, taps)


def said(description: str, precision: str) -> str:
    """Return the description of inputs, with how the processor stood in for TensorRT."""
    return f"{description}; {STAND_IN[precision]}" if precision in STAND_IN else description
