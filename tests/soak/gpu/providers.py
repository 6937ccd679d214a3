"""The real providers of ONNX Runtime for GPUs on a machine without one: `make soak`. They are 430 MB, from PyPI.

The plugin for TensorRT-RTX lacks the driver's libraries here, `onnxruntime-gpu` lists CUDA and cannot start it:
both are told, and the processor answers. With a GPU this file prints what runs instead.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.repository.gpus import gpus_here
from tests.support.environments import above
from tests.support.paths import ROOT
from tests.support.servers.real import NETWORK, REPOSITORY, assert_answers

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def _with_providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the Python that servers are started with import the packages of the extra `gpu` before all others."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [re.sub(r"\[.*?\]", "", one) for one in extras["gpu"]]  # CUDA and cuDNN are two gigabytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(above(tmp_path_factory.mktemp("gpu") / "environment", *named)))
        yield


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("_with_providers")
def test_real_providers_that_cannot_start_leave_the_network_to_the_processor_and_say_why() -> None:
    with EmbeddedServer(REPOSITORY, networks=[NETWORK]) as server:
        assert_answers(server)
        runs, warnings = server.facts["graphs"], server.facts["warnings"]
        print(*(f"{run['provider']} {run['device']} {run['artefact']}" for run in runs), *warnings, sep="\n")
        assert runs
        if gpus_here():
            return
        assert {(run["provider"], run["device"]) for run in runs} == {("cpu", None)}
        rtx, cuda = warnings
        assert rtx.startswith(f"{NETWORK}: TensorRT-RTX on GPU 0 does not start: ")
        assert "libcuda.so.1: cannot open shared object file" in rtx
        assert cuda.startswith(f"{NETWORK}: CUDA on GPU 0 does not start: ")
        assert re.search(r"lib\w+\.so\.\d+: cannot open shared object file", cuda)
        for warning in warnings:
            assert f"serving: warning: {warning}" in server.said


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("_with_providers")
@pytest.mark.skipif(bool(gpus_here()), reason="says what is said where there is no GPU")
def test_the_doctor_finds_them_and_what_they_lack() -> None:
    words = ["doctor", "--repository", str(REPOSITORY), "--network", NETWORK, "--http-port", "0", "--grpc-port", "0"]
    done = subprocess.run([sys.executable, "-m", "crosswire", *words], capture_output=True, text=True, check=False)
    assert "GPU: the driver tells of none; tensorrt-rtx, cuda will hardly start" in done.stdout
    assert "install NVIDIA's driver, or start the container with --gpus all" in done.stdout
    assert f"note    {NETWORK}: CUDA on GPU 0 does not start" in done.stdout
