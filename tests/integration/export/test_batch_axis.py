"""One traced batch size is told from all other sizes of a graph, and opened; what uses it otherwise is traced anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto
from torch import Tensor, nn

from crosswire.contract import TensorSpec
from crosswire.export import onnx_graph
from crosswire.export.batch_axis import telling_batch
from crosswire.export.onnx_graph import exported

SPEC = TensorSpec("x", "FP32", (6, 8, 4), "HWC", "")


class Enlarged(nn.Module):
    """Reshapes that keep, merge and move the batch; resizes of one batch and of two on top of each other."""

    def forward(self, *raw: Tensor) -> Tensor:
        """Answer."""
        (x,) = raw
        n, h, w, c = x.shape
        rows = torch.softmax(x.flatten(1, 2), 1).reshape(n, h, w, c).permute(0, 3, 1, 2)
        streams = torch.cat([rows, rows.square()])
        large = [nn.functional.interpolate(part, (2 * h, 2 * w), mode="bilinear") for part in (rows, streams, -streams)]
        pairs = (large[1] * large[2]).reshape(2, n, c, 2 * h, 2 * w)
        return pairs.sum(0) + large[0]


class Counting(nn.Module):
    """Divides by the number of samples, which is no size of anything."""

    def forward(self, *raw: Tensor) -> Tensor:
        """Answer."""
        return raw[0] / raw[0].shape[0]


class Repeated(nn.Module):
    """Gives every sample what belongs to none."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.arange(4.0))

    def forward(self, *raw: Tensor) -> Tensor:
        """Answer."""
        return torch.cat([self.token.expand(raw[0].shape[0], 1, 8, 4), raw[0]], 1)


class Numbered(nn.Module):
    """Gives every sample a number of its own, which no other batch has."""

    def forward(self, *raw: Tensor) -> Tensor:
        """Answer."""
        numbers = torch.arange(raw[0].shape[0], dtype=torch.float32) / raw[0].shape[0]
        return raw[0] + numbers[:, None, None, None]


def answers(model: ModelProto, x: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"x": x.numpy()})[0]
    return found


@pytest.fixture
def symbolic(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """Return a list of the modules that were translated symbolically."""
    found: list[nn.Module] = []
    translate = onnx_graph.exported_symbolically

    def noted(module: nn.Module, inputs: Any, names: Any, max_batch: int | None) -> ModelProto:
        found.append(module)
        return translate(module, inputs, names, max_batch)

    monkeypatch.setattr(onnx_graph, "exported_symbolically", noted)
    return found


@pytest.mark.parametrize(
    ("module", "opens"), [(Enlarged(), True), (Counting(), False), (Repeated(), True), (Numbered(), False)]
)
def test_a_graph_of_any_batch_answers_as_the_module(module: nn.Module, opens: bool, symbolic: list[nn.Module]) -> None:
    model = exported(module, [SPEC], ["y"], 8)
    assert symbolic == ([] if opens else [module]), "what still holds the batch is translated symbolically"
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for batch in (1, 2, 5):
        x = torch.rand(batch, *SPEC.shape, generator=torch.Generator().manual_seed(batch))
        np.testing.assert_allclose(answers(model, x), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_batch_that_divides_a_size_of_the_network_is_not_taken() -> None:
    assert telling_batch(nn.Conv2d(3, 8, 3), [SPEC]) == 97
    assert telling_batch(nn.Conv2d(97 * 2, 8, 3), [SPEC]) == 101
    assert telling_batch(nn.Linear(101, 5), [TensorSpec("x", "FP32", (97, 103), "HW", "")]) == 107
