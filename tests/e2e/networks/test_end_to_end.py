"""What the server answers equals what PyTorch answers, through gRPC and through HTTP."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc
import tritonclient.http

from crosswire.contract import sha256_of
from crosswire.export.tasks.segmentation.servable import SegmentationServable
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.training.engine.run_folder import WEIGHTS, Run, read_run
from crosswire.training.modalities import modality
from crosswire.training.tasks.segmentation.data import frames
from crosswire.training.tasks.segmentation.network import build_network
from tests.support.paths import RUNS
from tests.support.servers.real import NETWORK, contract

RUN = RUNS / NETWORK


@pytest.fixture(scope="module")
def run() -> Run:
    """Return the run that the committed network was exported from."""
    return read_run(RUN)


@pytest.fixture(scope="module")
def rooms(run: Run) -> list[np.ndarray[Any, Any]]:
    """Return 8 test rooms: rgb uint8 [8, H, W, 3] and depth float32 [8, H, W]."""
    source = frames(run.config.data, "test")
    pictures = [source[index].pictures for index in range(8)]
    return [np.stack([p[name] for p in pictures]) for name in run.config.network.streams]


def test_the_served_network_comes_from_the_run_that_is_kept_for_comparison() -> None:
    assert contract().run.weights_sha256 == sha256_of(RUN / WEIGHTS)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_served_labels_equal_those_of_live_pytorch(
    server: EmbeddedServer, run: Run, rooms: list[np.ndarray[Any, Any]], protocol: str
) -> None:
    live = SegmentationServable(run.network, [modality(name) for name in run.config.network.streams])
    with torch.inference_mode():
        labels, confidence = (x.numpy() for x in live(*(torch.from_numpy(x) for x in rooms)))
    client = tritonclient.grpc if protocol == "grpc" else tritonclient.http
    url = server.grpc_url if protocol == "grpc" else server.http_url
    inputs = []
    for spec, array in zip(contract().inputs, rooms, strict=True):
        inputs.append(client.InferInput(spec.name, list(array.shape), spec.dtype))
        inputs[-1].set_data_from_numpy(array)
    with client.InferenceServerClient(url.split("//")[1]) as connection:
        answer = connection.infer(NETWORK, inputs)
    assert (answer.as_numpy("labels") == labels).mean() >= 0.999
    assert np.abs(answer.as_numpy("confidence").astype(int) - confidence.astype(int)).max() <= 2


def test_a_network_with_other_weights_answers_otherwise(run: Run, rooms: list[np.ndarray[Any, Any]]) -> None:
    """The comparison above can fail: an untrained network of the same shape disagrees."""
    streams = [modality(name) for name in run.config.network.streams]
    trained, untrained = (
        SegmentationServable(network.eval(), streams) for network in (run.network, build_network(run.config.network))
    )
    inputs = [torch.from_numpy(x[:1]) for x in rooms]
    with torch.inference_mode():
        assert (trained(*inputs)[0] == untrained(*inputs)[0]).float().mean() < 0.9
