"""The command lines of the two children: Triton and the front door."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from serving.errors import ServingError
from serving.launch import Program
from serving.limits import MEDIA_VARIABLE, MediaLimits
from serving.ports import LOOPBACK
from serving.run_state import Run, RunState
from serving.settings import Settings
from serving.stages.killable import KEEP_HEAP
from serving.triton_wheel import Triton
from serving.wire import SECRET_KEY

# Configuration and statistics stay open: clients learn class names and units from the one, load tests read the other.
_RESTRICTED = ("shared-memory", "model-repository", "trace", "logging")
_EXIT_SECONDS = 2
_STUB_START_SECONDS = 120
_ROOT = Path(__file__).resolve().parent.parent


def triton_program(triton: Triton, state: RunState, run: Run, models: Iterable[str], settings: Settings) -> Program:
    """Return Triton's command line.

    The settings give it a response cache, an address for its spans, and what its stages may decode.

    The secret stands on it, because Triton takes it in no other way: other users of this machine can read it while the
    server runs.
    """
    arguments = [
        str(triton.executable),
        f"--model-repository={state.triton_repository}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in models),
        "--disable-auto-complete-config",
        "--exit-on-error=true",
        f"--exit-timeout-secs={_EXIT_SECONDS}",
        "--allow-http=false",
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={run.triton_port}",
        f"--grpc-restricted-protocol={','.join(_RESTRICTED)}:{SECRET_KEY}={run.secret}",
        "--allow-metrics=true",
        f"--metrics-address={LOOPBACK}",
        f"--metrics-port={run.metrics_port}",
        f"--backend-config=python,shm-region-prefix-name={state.shm_prefix}",
        f"--backend-config=python,stub-timeout-seconds={_STUB_START_SECONDS}",
    ]
    if triton.backends is not None:
        arguments.append(f"--backend-directory={triton.backends}")
    if settings.models.cache_bytes:
        arguments.append(f"--cache-config=local,size={settings.models.cache_bytes}")
    if settings.models.cache_bytes and triton.caches is not None:
        arguments.append(f"--cache-directory={triton.caches}")
    if settings.traces is not None:
        arguments += [f"--trace-config={one}" for one in ("mode=opentelemetry", "level=TIMESTAMPS", "rate=1")]
        arguments += [
            f"--trace-config=opentelemetry,{one}" for one in (f"url={settings.traces}", "resource=service.name=triton")
        ]
    return Program(
        "Triton", arguments, state.log("triton"), _triton_environment(triton, settings), ends_with_helpers=True
    )


def front_door_program(state: RunState, listener: int, access_log: int | None) -> Program:
    """Return the front door's command line; it inherits the listening socket and the access log."""
    arguments = [sys.executable, "-m", "serving.front_door", "--state", str(state.folder), "--listener", str(listener)]
    if access_log is not None:
        arguments += ["--access-log", str(access_log)]
    descriptors = (listener,) if access_log is None else (listener, access_log)
    environment = {**os.environ, "PYTHONPATH": _joined(str(_ROOT), os.environ.get("PYTHONPATH", ""))}
    return Program("the front door", arguments, state.log("front_door"), environment, pass_fds=descriptors)


def _triton_environment(triton: Triton, settings: Settings) -> Mapping[str, str]:
    """Return an environment in which the stubs find this Python: they take the first `python3` on PATH."""
    python = Path(sys.executable).parent
    if not (python / "python3").exists():
        raise ServingError(f"{python} has no python3, which Triton's python stubs look for; use a virtual environment")
    libraries = ":".join(map(str, triton.libraries))
    return {
        **os.environ,
        **KEEP_HEAP,
        MEDIA_VARIABLE: MediaLimits(settings.pictures, settings.clips).as_variable(),
        "PATH": _joined(str(python), os.environ.get("PATH", "")),
        "LD_LIBRARY_PATH": _joined(libraries, os.environ.get("LD_LIBRARY_PATH", "")),
    }


def _joined(first: str, rest: str) -> str:
    """Join two search paths, leaving out an empty one."""
    return ":".join(part for part in (first, rest) if part)
