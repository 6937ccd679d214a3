"""The command lines of the two children: Triton and the gateway."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from crosswire import ROOT
from crosswire.serving.config.limits import MEDIA_VARIABLE, MediaLimits
from crosswire.serving.config.settings import Settings
from crosswire.serving.processes.child import Program
from crosswire.serving.processes.run_state import RunState, ServerRun
from crosswire.serving.processes.triton_wheel import Triton, stub_python
from crosswire.serving.steps.decode.sandbox import KEEP_HEAP
from crosswire.serving.steps.runtime.providers.graph_run import RUNS_VARIABLE
from crosswire.serving.steps.runtime.providers.plugin import plugin_folder
from crosswire.serving.traces import TRACES_VARIABLE

_EXIT_SECONDS = 2
_STUB_START_SECONDS = 120


def triton_program(
    triton: Triton, state: RunState, run: ServerRun, models: Iterable[str], settings: Settings
) -> Program:
    """Return Triton's command line.

    The settings give it a response cache, and its steps what they may decode and where their spans go.
    """
    address, _, port = run.triton_target.rpartition(":")
    arguments = [
        str(triton.executable),
        f"--model-repository={state.triton_repository}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in models),
        "--disable-auto-complete-config",
        "--exit-on-error=true",
        f"--exit-timeout-secs={_EXIT_SECONDS}",
        "--allow-http=false",
        f"--grpc-address={address}",
        f"--grpc-port={port}",
        "--allow-metrics=true",
        f"--metrics-address=unix:{run.metrics_socket}",
        f"--backend-config=python,shm-region-prefix-name={state.shm_prefix}",
        f"--backend-config=python,stub-timeout-seconds={_STUB_START_SECONDS}",
    ]
    if triton.backends is not None:
        arguments.append(f"--backend-directory={triton.backends}")
    if settings.models.cache_bytes:
        arguments.append(f"--cache-config=local,size={settings.models.cache_bytes}")
    if settings.models.cache_bytes and triton.caches is not None:
        arguments.append(f"--cache-directory={triton.caches}")
    return Program(
        "Triton", arguments, state.log("triton"), _triton_environment(triton, state, settings), ends_with_helpers=True
    )


def gateway_program(state: RunState, listener: int, access_log: int | None) -> Program:
    """Return the gateway's command line; it inherits the listening socket and the access log."""
    arguments = [
        sys.executable,
        "-m",
        "crosswire.serving.gateway",
        "--state",
        str(state.folder),
        "--listener",
        str(listener),
    ]
    if access_log is not None:
        arguments += ["--access-log", str(access_log)]
    descriptors = (listener,) if access_log is None else (listener, access_log)
    environment = {**os.environ, "PYTHONPATH": _joined(ROOT, os.environ.get("PYTHONPATH", ""))}
    return Program("the gateway", arguments, state.log("front_door"), environment, pass_fds=descriptors)


def _triton_environment(triton: Triton, state: RunState, settings: Settings) -> Mapping[str, str]:
    """Return an environment in which the stubs find this Python: they take the first `python3` on PATH.

    CUDA numbers GPUs as the driver does. The provider for TensorRT-RTX looks for its own libraries by names that the
    linker's path alone finds.
    """
    gpu = [folder] if settings.gpu.indices != () and (folder := plugin_folder()) else []
    libraries = ":".join(map(str, (*triton.libraries, *gpu)))
    return {
        "ORT_DISABLE_TELEMETRY": "1",  # else ONNX Runtime 1.32 of PyPI keeps records for its makers in HOME
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **os.environ,
        **KEEP_HEAP,
        MEDIA_VARIABLE: MediaLimits(settings.images, settings.clips).as_variable(),
        RUNS_VARIABLE: str(state.graph_runs),
        TRACES_VARIABLE: settings.traces or "",
        "PATH": _joined(str(stub_python()), os.environ.get("PATH", "")),
        "LD_LIBRARY_PATH": _joined(libraries, os.environ.get("LD_LIBRARY_PATH", "")),
    }


def _joined(first: str, rest: str) -> str:
    """Join two search paths, leaving out an empty one."""
    return ":".join(part for part in (first, rest) if part)
