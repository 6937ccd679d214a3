"""Graphs of PyTorch modules and TorchScript files: written as ONNX, to be adopted like every other; needs PyTorch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from crosswire.export.adopt.description import Description
from crosswire.export.adopt.errors import AdoptError


def graph_of_module(spec: str, weights: Path | None, description: Description, path: Path) -> None:
    """Write the ONNX graph of a module that a Python function returns.

    The function is called without arguments, in this process. The graph has the sizes of the description and an open
    batch axis; where the network's code does not allow that, a batch of 1.

    Args:
        spec: `package.module:function`, or `:Class`, importable from here or from the current folder.
        weights: state dict of the module, a file of `torch.save` or `.safetensors`; None where the function loads it.
        description: says role and size of every input, in the order of the module's arguments.
        path: the file to write.

    Raises:
        AdoptError: PyTorch is missing, the function or the weights do not fit, or the exporter cannot translate it.
    """
    _check_torch("--module")
    from crosswire.export.from_torch.module import loaded, written

    written(loaded(spec, weights), description, path, spec)


def graph_of_torchscript(file: Path, description: Description, path: Path) -> None:
    """Write the ONNX graph of a TorchScript file; see `graph_of_module`.

    Only PyTorch's older exporter takes scripts. What a script branches or loops on stays a branch or a loop.

    Args:
        file: written by `torch.jit.save`. Loading it runs what it says: name files that you trust.
        description: says role and size of every input, in the order of the script's arguments.
        path: the file to write.

    Raises:
        AdoptError: PyTorch is missing, the file is no script, or the exporter cannot translate it.
    """
    _check_torch("--torchscript")
    from crosswire.export.from_torch.script import written

    written(file, description, path)


def _check_torch(option: str) -> None:
    """Refuse an option that needs PyTorch where that is not installed."""
    missing = [name for name in ("torch", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise AdoptError(
            f"{option} needs {' and '.join(missing)}, which this environment lacks; install the extra `export`, or "
            "export the network to ONNX where PyTorch is and adopt that file"
        )
