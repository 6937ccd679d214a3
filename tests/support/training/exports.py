"""Exports of the same network happen once per test run: PyTorch takes ten seconds to translate even a tiny one.

What is kept is the translation alone, by the bytes of everything that it depends on; folding, quantising, checking and
comparing with live PyTorch happen in every test. A network that cannot be told apart by its bytes is translated anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import onnx
import pytest
from torch import Tensor, nn
from torch.fx import Graph

from crosswire.contract import TensorSpec
from crosswire.export import baselines, onnx_graph
from crosswire.export.tasks.audio_video import exporter as clips

_TORCHS_OWN = frozenset(vars(nn.Module()))


def fingerprint(
    servable: nn.Module, inputs: Sequence[TensorSpec], names: Sequence[str], max_batch: int | None
) -> str | None:
    """Return a hash over classes, plain attributes and tensors of all modules, and over what is asked for.

    None if a module holds something whose content does not show; an fx graph shows as the code made of it.
    """
    found = hashlib.sha256(repr((list(inputs), list(names), max_batch)).encode())
    for name, module in servable.named_modules(remove_duplicate=False):
        plain = {key: value for key, value in vars(module).items() if key not in _TORCHS_OWN}
        shown = {key: _shown(value) for key, value in plain.items() if not isinstance(value, (Graph, Tensor))}
        said = repr((name, type(module), sorted(shown.items())))
        if " at 0x" in said:
            return None
        found.update(said.encode())
        tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        for key, tensor in (*tensors, *((key, value) for key, value in plain.items() if isinstance(value, Tensor))):
            values = tensor.detach().contiguous()
            found.update(f"{key} {values.dtype} {tuple(values.shape)}".encode() + values.numpy().tobytes())
    return found.hexdigest()


def _shown(value: Any) -> str:
    """Return a function's name, an array's hash, or what anything else says of itself."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    return value.__qualname__ if isinstance(value, FunctionType) else repr(value)


@pytest.fixture(scope="session", autouse=True)
def exported_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Keep translations for the whole run, whichever process made them."""
    base = tmp_path_factory.getbasetemp()
    kept = (base if worker_id == "master" else base.parent) / "translations"
    kept.mkdir(exist_ok=True)
    translate: Callable[..., onnx.ModelProto] = onnx_graph.exported

    def once(servable: nn.Module, inputs: Sequence[TensorSpec], names: Sequence[str], max_batch: int | None) -> Any:
        key = fingerprint(servable.eval(), inputs, names, max_batch)
        if key is None:
            return translate(servable, inputs, names, max_batch)
        path = kept / key
        if path.exists():
            return onnx.load(path)
        model = translate(servable, inputs, names, max_batch)
        own = Path(f"{path}.{worker_id}")
        onnx.save(model, own)
        own.replace(path)
        return model

    with pytest.MonkeyPatch.context() as patch:
        for module in (onnx_graph, clips, baselines):
            patch.setattr(module, "exported", once)
        yield
