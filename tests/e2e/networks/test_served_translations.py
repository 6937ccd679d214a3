"""The committed translations through the real server: tensors and pictures are answered as PyTorch answers them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.contract import Contract
from crosswire.export.parity import torch_runner
from crosswire.export.tasks.translation.exporter import samples_of
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.engine.run_folder import read_run
from tests.e2e.steps.test_tasks import ask
from tests.support.paths import RUNS
from tests.support.servers.real import REPOSITORY

NETWORKS = tuple(name for name in ("rooms_translate", "rooms_multitask") if (REPOSITORY / name).is_dir())


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedServer]:
    """A server of the committed translations."""
    with EmbeddedServer(REPOSITORY, networks=NETWORKS) as running:
        yield running


def example(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return raw inputs of one fresh view, and what PyTorch makes of them, each by tensor name with a batch of 1."""
    contract, run = Contract.load(REPOSITORY / name), read_run(RUNS / name)
    ((raw, _),) = samples_of(run, contract.inputs, 1)
    answers = torch_runner(TranslationServable(run.network, run.config.network).eval())(raw)
    inputs = {spec.name: one.numpy() for spec, one in zip(contract.inputs, raw, strict=True)}
    return inputs, {spec.name: one for spec, one in zip(contract.outputs, answers, strict=True)}


def assert_near(answer: Any, wanted: Any) -> None:
    """Fail unless nearly every element is that of PyTorch, up to one step of 8 bits or a millimetre in metres."""
    wanted = wanted.astype(float)
    near = np.abs(answer.astype(float) - wanted) <= (1.0 if wanted.max() > 20 else 2e-3)
    assert near.mean() > 0.99


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("name", NETWORKS)
def test_served_tensors_are_answered_as_pytorch_does(served: EmbeddedServer, name: str, protocol: str) -> None:
    inputs, wanted = example(name)
    answer = ask(served, name, protocol, **inputs)
    assert set(answer) == set(wanted)
    for output, array in wanted.items():
        assert answer[output].dtype == array.dtype and answer[output].shape == array.shape
        assert_near(answer[output], array)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("name", NETWORKS)
def test_served_pictures_are_those_of_pytorch(served: EmbeddedServer, name: str, protocol: str) -> None:
    inputs, wanted = example(name)
    sent = {}
    for domain, array in inputs.items():
        file = io.BytesIO()
        Image.fromarray(np.squeeze(array)).save(file, "PNG")
        sent[f"{domain}_image"] = [file.getvalue()]
    answer = ask(served, f"{name}_image", protocol, **sent)
    for output, array in wanted.items():
        picture = np.asarray(Image.open(io.BytesIO(answer[f"{output.removeprefix('predicted_')}_png"][0, 0])))
        values = picture / 1000 if array.dtype == np.float32 else picture
        assert_near(values, np.squeeze(array))
