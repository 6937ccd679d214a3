"""Statistics and metrics tell every request once, as answered or as failed, in every layout and over both protocols."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from crosswire.serving.gateway.step_statistics import step_times, with_step_times
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.native_backend import native_triton
from tests.support.servers.real import (
    PATIENCE_SECONDS,
    bytes_input,
    call,
    configured,
    depth_png,
    jpeg,
    processes_with,
    wait_until,
)
from tests.support.training import small_networks

CALM = "[pace]\nseconds = 3600\n[models]\n"  # canaries at the start alone
CHOICES = {
    "fused": "warm_up = [2]\n",
    "apart": "warm_up = [2]\nstep_instances = 2\n",
    "container": "warm_up = [2]\nstep_instances = 2\n",
}
GOOD, BATCH, BAD, LACKING = 4, 3, 2, 1


@dataclass(frozen=True)
class Told:
    """What one model says of itself."""

    answered: int
    failed: int
    samples: int
    executions: int


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository of one small network, and the network's name."""
    folder = tmp_path_factory.mktemp("counted")
    return folder, small_networks.write_segmentation(folder).name


@pytest.fixture(scope="module", params=["fused", "apart", "container"])
def layout(
    request: pytest.FixtureRequest, network: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[EmbeddedServer, str, str]]:
    """A server that runs its steps in some way, the way's name and the network's name; it is asked nothing else."""
    folder = tmp_path_factory.mktemp(request.param)
    options = configured(folder, CALM + CHOICES[request.param])
    if request.param == "container":
        options += ["--runtime", "container", "--triton", str(native_triton(folder))]
    with EmbeddedServer(network[0], options=options) as server:
        yield server, request.param, network[1]


def ask(server: EmbeddedServer, name: str) -> None:
    """Send so many good and bad requests, and some that lack every picture, to the network alone."""
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        for count in [1] * (GOOD - 1) + [BATCH]:
            pictures = [bytes_input("rgb_image", [jpeg()] * count), bytes_input("depth_image", [depth_png()] * count)]
            client.infer(f"{name}_image", pictures)
        for _ in range(BAD):
            with pytest.raises(InferenceServerException, match="is no JPEG or PNG"):
                client.infer(f"{name}_image", [bytes_input("rgb_image", [b"x"])])
        for _ in range(LACKING):
            with pytest.raises(InferenceServerException, match="got no"):
                client.infer(name, [bytes_input("present", [b""])])


def over_http(server: EmbeddedServer, name: str) -> Told:
    (said,) = json.loads(call(server, "GET", f"/v2/models/{name}/stats")[1])["model_stats"]
    stats = said["inference_stats"]
    assert {"queue", "compute_input", "compute_output"} <= set(stats)
    assert stats["compute_infer"]["count"] == stats["success"]["count"]
    if not name.endswith("_image"):  # perf_analyzer aborts where they differ
        assert stats["compute_input"]["count"] == stats["compute_output"]["count"] == stats["compute_infer"]["count"]
    assert (stats["fail"]["ns"] > 0) == (stats["fail"]["count"] > 0)
    return Told(stats["success"]["count"], stats["fail"]["count"], said["inference_count"], said["execution_count"])


def over_grpc(server: EmbeddedServer, name: str) -> Told:
    with tritonclient.grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        (said,) = client.get_inference_statistics(name).model_stats
    stats = said.inference_stats
    return Told(stats.success.count, stats.fail.count, said.inference_count, said.execution_count)


def in_metrics(server: EmbeddedServer, name: str) -> Told:
    samples: dict[str, int] = {}
    for line in call(server, "GET", "/metrics")[1].decode().splitlines():
        if line.startswith("nv_inference_") and f'model="{name}"' in line:
            kind = line.removeprefix("nv_inference_").partition("{")[0]
            samples[kind] = samples.get(kind, 0) + int(line.rpartition(" ")[2])
    return Told(*(samples[kind] for kind in ("request_success", "request_failure", "count", "exec_count")))


def wait_for(expected: dict[str, Told], said: Any) -> None:
    """Wait until models say what is expected: steps tell what they count when it is quiet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := {name: said(name) for name in expected}) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == expected


def test_every_request_is_counted_once(layout: tuple[EmbeddedServer, str, str]) -> None:
    server, kind, name = layout
    ask(server, name)
    if kind != "fused":
        for step in ("decode", "render"):
            assert len(processes_with(server, f"/{name}_{step}/1/model.py")) == 2, "step_instances"
    answered, samples = GOOD + 1, GOOD - 1 + BATCH + 1  # one probe asked the whole, one the network
    warm = 0 if kind == "container" else 2  # Triton warms a step up for a batch of 2 by two requests of 1
    whole = Told(answered, BAD, samples, answered)
    alone = Told(answered + 1 + warm, LACKING, samples + 1 + warm, answered + 1 + warm)
    expected = {
        f"{name}_image": whole,
        f"{name}_decode": whole,
        name: alone,
        f"{name}_render": Told(answered, 0, samples, answered),
    }
    if kind == "fused":
        expected[f"{name}_fused"] = replace(alone, failed=BAD + LACKING)
    wait_until(
        lambda: {f"{name}_decode", name, f"{name}_render"} <= set(step_times(call(server, "GET", "/metrics")[1]))
    )
    wait_for(expected, lambda one: over_http(server, one))
    wait_for(expected, lambda one: over_grpc(server, one))
    inside = [f"{name}_decode", f"{name}_render"] if kind == "fused" else []
    wait_for({one: told for one, told in expected.items() if one not in inside}, lambda one: in_metrics(server, one))
    for step in (f"{name}_decode", f"{name}_render"):
        told = step_times(call(server, "GET", "/metrics")[1])[step]
        assert Told(told.requests, told.failures, told.samples, told.executions) == expected[step]
        assert (told.failed_seconds > 0) == bool(told.failures) and told.seconds > 0


def test_lines_of_models_that_tell_nothing_stay_as_they_are() -> None:
    lines = [
        b'nv_inference_request_failure{model="whole",reason="OTHER",version="1"} 5',
        b'nv_inference_request_failure{model="native",reason="OTHER",version="1"} 5',
        b'nv_inference_request_success{model="native",version="1"} 1e+06',
        b'nv_inference_queue_duration_us{model="whole",version="1"} 7',
        b'crosswire_step_requests_total{model="native"} 1',
    ]
    changed = with_step_times(b"\n".join(lines), {"whole"}).splitlines()
    assert changed[0].endswith(b"} 3"), "one of three has been counted once so far"
    assert changed[1:2] + changed[3:] == lines[1:2] + lines[3:]
    assert float(changed[2].rpartition(b" ")[2]) == 1e6
