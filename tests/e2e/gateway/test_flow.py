"""How requests move through the steps: several at a time, each answered as soon as it is done."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from benchmarks.serving import triton_url
from crosswire.serving.gateway.step_statistics import step_times
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.repository.published import DEADLINE
from crosswire.serving.steps.runtime.cores import granted_cores
from tests.support.servers.real import (
    CALM,
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    bytes_input,
    call,
    configured,
    decoders_of,
    depth_png,
    infer_pictures,
    jpeg,
    network_inputs,
    stub_of,
    wait_until,
)

CLIENTS, REQUESTS = 4, 80


def target(server: EmbeddedServer) -> str:
    return server.grpc_url.removeprefix("grpc://")


def network_tensors() -> list[Any]:
    """Return one sample for the network itself."""
    tensors = []
    for name, array in network_inputs().items():
        kind = "UINT8" if array.dtype == np.uint8 else "FP32"
        tensors.append(tritonclient.grpc.InferInput(name, list(array.shape), kind).set_data_from_numpy(array))
    return tensors


@pytest.mark.skipif(granted_cores() < 2, reason="one core answers one request at a time")
def test_a_request_does_not_wait_for_a_slow_one_before_it(server: EmbeddedServer) -> None:
    order: list[str] = []
    answered = threading.Semaphore(0)

    def note(name: str, error: Any) -> None:
        order.append(name if error is None else str(error))
        answered.release()

    infer_pictures(server, [jpeg()], [depth_png()])
    with tritonclient.grpc.InferenceServerClient(target(server)) as client:
        for name, pictures in (("slow", (jpeg(8000, 4000), depth_png(800, 400))), ("quick", (jpeg(), depth_png()))):
            inputs = [bytes_input(f"{kind}_image", [one]) for kind, one in zip(("rgb", "depth"), pictures, strict=True)]
            client.async_infer(PIPELINE, inputs, lambda result, error, name=name: note(name, error))
        assert all(answered.acquire(timeout=PATIENCE_SECONDS) for _ in range(2))
    assert order == ["quick", "slow"]


def test_outputs_that_nobody_asks_for_do_no_harm(server: EmbeddedServer) -> None:
    stub = stub_of(server)
    inputs = network_tensors()
    wanted = [tritonclient.grpc.InferRequestedOutput("labels")]
    with tritonclient.grpc.InferenceServerClient(target(server)) as client, ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: client.infer(NETWORK, inputs, outputs=wanted), range(REQUESTS)))
    first = answers[0].as_numpy("labels")
    for answer in answers:
        assert [output.name for output in answer.get_response().outputs] == ["labels"]
        assert (answer.as_numpy("labels") == first).mean() > 0.9999
    assert stub_of(server) == stub


@pytest.mark.parametrize("model", [NETWORK, PIPELINE])
def test_a_request_that_is_late_is_not_begun(model: str, server: EmbeddedServer) -> None:
    inputs = [bytes_input("rgb_image", [jpeg()]), bytes_input("depth_image", [depth_png()])]
    inputs = network_tensors() if model == NETWORK else inputs
    with tritonclient.grpc.InferenceServerClient(triton_url(server).removeprefix("grpc://")) as client:
        now = time.monotonic() * 1e6
        client.infer(model, inputs, parameters={DEADLINE: int(now + 60e6)})
        with pytest.raises(InferenceServerException, match="its time is over") as late:
            client.infer(model, inputs, parameters={DEADLINE: int(now)})
    assert late.value.status() == "StatusCode.UNAVAILABLE"


def decoded_only(server: EmbeddedServer) -> int:
    """Return how many requests were decoded but not rendered, when it no longer changes; a probe is both."""
    found: list[int] = []

    def settled() -> bool:
        steps = step_times(call(server, "GET", "/metrics")[1])
        decode, render = (steps.get(f"{NETWORK}_{step}") for step in ("decode", "render"))
        found.append(decode.requests - render.requests if decode and render else -1)
        if found[-2:] == [found[-1]] * 2 and found[-1] >= 0:
            return True
        time.sleep(1)  # a step publishes what it counts when it is quiet
        return False

    wait_until(settled)
    return found[-1]


def ask_with_decoders_stopped(server: EmbeddedServer, seconds: float) -> None:
    """Send a request whose time ends while every decoder is stopped, and fail unless it is refused as late."""
    inputs = [bytes_input("rgb_image", [jpeg()]), bytes_input("depth_image", [depth_png()])]
    stopped = decoders_of(server)
    target = triton_url(server).removeprefix("grpc://")
    with tritonclient.grpc.InferenceServerClient(target) as client, ThreadPoolExecutor() as pool:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            deadline = int((time.monotonic() + seconds) * 1e6)
            asked = pool.submit(client.infer, PIPELINE, inputs, parameters={DEADLINE: deadline})
            time.sleep(1.5 * seconds)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        with pytest.raises(InferenceServerException, match="its time is over"):
            asked.result(PATIENCE_SECONDS)


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that leaves processes alone that somebody stops."""
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=configured(tmp_path, CALM)) as running:
        yield running


def test_a_request_that_gets_late_between_two_steps_goes_no_further(calm: EmbeddedServer) -> None:
    infer_pictures(calm, [jpeg()], [depth_png()])
    begun = []
    for seconds in (0.5, 2, 8):  # on a busy machine a request may come too late to be begun
        before = decoded_only(calm)
        ask_with_decoders_stopped(calm, seconds)
        begun.append(decoded_only(calm) - before)
        if begun[-1]:
            break
    assert begun[-1] == 1, begun
