"""GPUs that cannot be used: the processor answers, and log, start and `status` say why; nothing is stood in for."""

from __future__ import annotations

from pathlib import Path

import httpx
import onnxruntime
import pytest

from crosswire.serving.__main__ import main
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.running import choose
from tests.support.servers.real import NETWORK, PIPELINE, REPOSITORY, assert_answers, configured, contract

#: A library that is real, can be loaded, and is no provider.
NO_PLUGIN = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_shared.so"


def test_a_provider_that_does_not_start_leaves_the_network_to_the_next_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"""
        [gpu]
        devices = "0,1"
        providers = ["tensorrt-rtx", "cuda"]
        plugin = "{NO_PLUGIN}"
    """
    with EmbeddedServer(REPOSITORY, networks=[NETWORK], options=configured(tmp_path, text)) as server:
        assert_answers(server)
        sha256 = contract().graph.sha256
        reasons = ("on GPU {} does not start: Failed to get symbol CreateEpFactories", "CUDA on GPU {} does not start:")
        for index in (0, 1):
            assert any("TensorRT-RTX " + reasons[0].format(index) in line for line in server.facts["warnings"])
            assert any(reasons[1].format(index) in line for line in server.facts["warnings"])
            assert f"serving: warning: {NETWORK}: TensorRT-RTX {reasons[0].format(index)}" in server.said
        assert "gpu.devices names GPU 1; the driver tells of none" in server.said
        assert {(run["provider"], run["device"]) for run in server.facts["graphs"]} == {("cpu", None)}
        assert all(run["graph_sha256"] == sha256 for run in server.facts["graphs"])
        log = (choose(int(server.http_url.rpartition(":")[2])).folder / "triton.log").read_text(errors="replace")
        assert f"warning: {NETWORK}: TensorRT-RTX on GPU 0 does not start" in log
        capsys.readouterr()
        assert main(["status", "--http-port", server.http_url.rpartition(":")[2]]) == 0
        said = capsys.readouterr().out
        assert f"  {NETWORK} (rgb+depth): the processor, graph {sha256[:12]}" in said
        assert f"  warning: {NETWORK}: CUDA on GPU 1 does not start" in said
        described = httpx.get(f"{server.http_url}/v1/pipelines/{PIPELINE}").json()
        assert {run["provider"] for run in described["runs_on"]} == {"cpu"}
        metrics = httpx.get(f"{server.http_url}/metrics").text
        assert (
            f'crosswire_graph_runs_on{{device="",inputs="rgb+depth",network="{NETWORK}",provider="cpu"}} 1.0' in metrics
        )


def test_the_doctor_says_what_a_host_with_gpus_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["doctor", "--repository", str(REPOSITORY), "--network", NETWORK, "--http-port", "0", "--grpc-port", "0"]
    assert main([*words, *configured(tmp_path, '[gpu]\ndevices = "3"\n')]) == 0
    said = capsys.readouterr().out
    assert "gpu.devices names GPU 3; the driver tells of none" in said
    assert "ONNX Runtime has no provider for a GPU: install onnxruntime-gpu in the place of onnxruntime" in said
    assert main([*words, *configured(tmp_path, f'[gpu]\nplugin = "{NO_PLUGIN}"\n')]) == 0
    said = capsys.readouterr().out
    assert "note    GPU: the driver tells of none; tensorrt-rtx will hardly start" in said
    assert f"note    {NETWORK}: TensorRT-RTX on GPU 0 does not start: Failed to get symbol CreateEpFactories" in said
