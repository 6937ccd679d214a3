"""TorchScript files, translated by PyTorch's older exporter, which alone takes them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime import InferenceSession

from crosswire.contract import TensorSpec
from crosswire.export.adopt.description import Description
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.from_torch.outputs import Flat, first_line, quiet, tried
from crosswire.export.from_torch.shapes import specs
from crosswire.export.graph_file import IR_VERSION, OPSET, save
from crosswire.export.onnx_graph import example


def written(file: Path, description: Description, path: Path) -> None:
    """Translate a TorchScript file to ONNX and write the graph; see `crosswire.export.from_torch`."""
    inputs = specs(description)
    with quiet():
        script = _read(file)
        feed = tuple(example(inputs, 1, seed=0))
        names = tried(Flat(script), feed, str(file))
        model = _translated(script, inputs, feed, names, file)
    model.ir_version = IR_VERSION
    save(model, path)


def _read(file: Path) -> Any:
    """Return a script that answers on the CPU."""
    if not file.is_file():
        raise AdoptError(f"--torchscript {file}: there is no such file")
    try:
        return torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise AdoptError(
            f"{file} is no TorchScript file ({first_line(error)}); write one with torch.jit.save, or name the code and "
            "its weights: --module package:function --weights FILE"
        ) from error


def _translated(
    script: Any, inputs: tuple[TensorSpec, ...], feed: tuple[torch.Tensor, ...], names: list[str], file: Path
) -> onnx.ModelProto:
    """Return the ONNX graph of a script with an open batch axis, or of batch 1.

    With an open axis the exporter writes graphs of some scripts that do not load, and says nothing: of an `interpolate`
    to the size of another tensor, for example.
    """
    axes = {name: {0: "batch"} for name in (*(spec.name for spec in inputs), *names)}
    reasons = []
    for dynamic in (axes, None):
        written = io.BytesIO()
        try:
            torch.onnx.export(
                script,
                feed,
                written,  # type: ignore[arg-type]  # the older exporter takes files, too
                input_names=[spec.name for spec in inputs],
                output_names=names,
                dynamic_axes=dynamic,
                opset_version=OPSET,
                dynamo=False,
            )
            InferenceSession(written.getvalue(), providers=["CPUExecutionProvider"])
            return onnx.load_from_string(written.getvalue())
        except Exception as error:  # of the exporter or the runtime, whose errors have no common root
            reasons.append(first_line(error))
    raise AdoptError(
        f"{file} cannot be translated to ONNX: {reasons[-1]}; the older exporter takes no dict as an output and no "
        "operator that it does not know: name the code and its weights with --module and --weights"
    )
