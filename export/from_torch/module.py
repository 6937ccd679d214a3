"""Modules of somebody else's code: imported, given their weights, and translated by `torch.export`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from crosswire.contract import TensorSpec
from crosswire.export.adopt.description import Description
from crosswire.export.adopt.errors import AdoptError
from crosswire.export.from_torch.outputs import Flat, first_line, quiet, tried
from crosswire.export.from_torch.shapes import specs
from crosswire.export.graph_file import save
from crosswire.export.onnx_graph import example, exported_symbolically

#: Under which keys checkpoints of training hold the weights.
NESTED = ("state_dict", "model_state_dict", "model", "network", "weights")
#: What wrappers of a module put before its names: of several GPUs, of Lightning, of `torch.compile`.
WRAPPERS = ("module.", "model.", "net.", "network.", "_orig_mod.")
_BATCHES = 8
_SHOWN = 3


def loaded(spec: str, weights: Path | None) -> nn.Module:
    """Return the module that `package.module:function` makes, with its weights, ready to answer.

    Raises:
        AdoptError: there is no such function, it does not return a module, or the weights are others.
    """
    network = _made(spec)
    if weights is not None:
        _fill(network, _state(weights), f"{weights}", spec)
    return network.cpu().eval()


def written(network: nn.Module, description: Description, path: Path, what: str) -> None:
    """Translate a module to ONNX and write the file.

    Args:
        network: the module.
        description: says role and size of every input.
        path: the file to write.
        what: the module's name in messages.

    Raises:
        AdoptError: it cannot be called so, or not be translated.
    """
    inputs = specs(description)
    flat = Flat(network, _keywords(network, inputs)).eval()
    names = tried(flat, example(inputs, 1, seed=0), what)
    save(_translated(flat, inputs, names, what), path)


def _translated(network: Flat, inputs: tuple[TensorSpec, ...], names: list[str], what: str) -> onnx.ModelProto:
    """Return the ONNX graph of a module with an open batch axis, or of batch 1 where its code does not allow that."""
    reasons = []
    for batch in (_BATCHES, None):
        try:
            with quiet():
                return exported_symbolically(network, inputs, names, batch)
        except Exception as error:  # of the exporter, whose errors have no common root
            reasons.append(_reason(error))
    raise AdoptError(
        f"{what} cannot be translated to ONNX: {reasons[-1]}; write torch.export.export(module, ...) to find the line, "
        "or script it and try --torchscript"
    )


def _reason(error: BaseException) -> str:
    """Return what an exporter's error comes from, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def _made(spec: str) -> nn.Module:
    """Import a function or a class, call it, and return the module."""
    place, _, name = spec.partition(":")
    if not place or not name:
        raise AdoptError(f"--module {spec!r} names no function; write package.module:function, as in nets.own:build")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        holder: Any = importlib.import_module(place)
        for part in name.split("."):
            holder = getattr(holder, part)
    except (ImportError, AttributeError) as error:
        raise AdoptError(f"--module {spec}: {first_line(error)}; run it where `import {place}` works") from error
    try:
        made = holder if isinstance(holder, nn.Module) else holder()
    except Exception as error:  # somebody else's code
        raise AdoptError(f"--module {spec} raises {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(made, nn.Module):
        raise AdoptError(f"--module {spec} returns a {type(made).__name__}; it has to return a torch.nn.Module")
    return made


def _keywords(network: nn.Module, inputs: tuple[TensorSpec, ...]) -> tuple[str, ...]:
    """Return the inputs' names where they all are arguments of the module, which is then called by them."""
    names = tuple(spec.name for spec in inputs)
    arguments = inspect.signature(network.forward).parameters
    return names if all(name in arguments for name in names) else ()


def _state(file: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a file of weights by name, without running code that it may hold."""
    if not file.is_file():
        raise AdoptError(f"weights {file}: there is no such file")
    try:
        if file.suffix == ".safetensors":
            content: Any = importlib.import_module("safetensors.torch").load_file(file)
        else:
            with quiet():
                content = torch.load(file, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise AdoptError(f"weights {file} need the package safetensors; install it") from error
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        raise AdoptError(
            f"weights {file} are refused: {first_line(error)}; give a file of torch.save(module.state_dict(), ...)"
        ) from error
    for key in NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise AdoptError(f"weights {file} hold no state dict but a {type(content).__name__}; give module.state_dict()")
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _fill(network: nn.Module, state: Mapping[str, Tensor], file: str, spec: str) -> None:
    """Give a module its weights, all of them and no others; what a wrapper put before all names is taken off."""
    own = network.state_dict()
    for wrapper in WRAPPERS:
        if not own.keys() & state.keys() and all(name.startswith(wrapper) for name in state):
            state = {name.removeprefix(wrapper): value for name, value in state.items()}
    counters = [name for name in state if name.endswith("num_batches_tracked") and name not in own]
    state = {name: value for name, value in state.items() if name not in counters}
    lacking = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    strangers = [name for name in state if name not in own]
    reshaped = [
        f"{name} {list(value.shape)} instead of {list(own[name].shape)}"
        for name, value in state.items()
        if name in own and own[name].shape != value.shape
    ]
    said = [("missing", lacking), ("unknown", strangers), ("of another shape", reshaped)]
    if faults := [f"{len(names)} {word}, {', '.join(names[:_SHOWN])}" for word, names in said if names]:
        raise AdoptError(
            f"weights {file} are not those of {spec}: {'; '.join(faults)}; let the function build the trained network"
        )
    network.load_state_dict(dict(state), strict=False)
