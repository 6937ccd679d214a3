"""`crosswire doctor`: everything that a start depends on, with a cure for what is wrong."""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from crosswire.contract import TENSORRT_ALONE, EngineManifest
from crosswire.serving.config.settings import Settings
from crosswire.serving.errors import ServingError
from crosswire.serving.gateway.options import gateway_options
from crosswire.serving.processes import shm
from crosswire.serving.processes.child import Child, Program
from crosswire.serving.processes.exec_child import PRIVATE_UMASK
from crosswire.serving.processes.installed import version_of
from crosswire.serving.processes.ports import LOOPBACK, listen
from crosswire.serving.processes.triton_wheel import installed_triton, stub_python, wheel_triton
from crosswire.serving.repository import engines
from crosswire.serving.repository.assemble import assemble, check_precision
from crosswire.serving.repository.gpus import Gpu, chosen_gpus, gpus_here, providers_here
from crosswire.serving.repository.graphs import ServedGraph
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.networks import ServedNetwork, find_networks
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.steps.runtime.providers.first_that_runs import first_that_runs
from crosswire.serving.steps.runtime.providers.names import CUDA_PACKAGE, PLUGIN_PACKAGE
from crosswire.serving.steps.runtime.providers.sessions import GraphFile, profile_of

_STACK_BYTES = 64 << 20
_TWINS = ("onnxruntime", "onnxruntime-gpu")
_OPEN_TO_ALL = "import os, sys; os.fchmod(os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o666), 0o644)"
_CHILD_SECONDS = 30.0


class Verdict(str, Enum):
    """How bad a finding is: only `BROKEN` keeps a server from starting or answering."""

    FINE = "ok"
    NOTE = "note"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what.
        verdict: how it is.
        text: what was found.
        cure: what to do; empty if it is fine.
    """

    subject: str
    verdict: Verdict
    text: str
    cure: str = ""


def examine(wanted: Settings) -> Iterator[Finding]:
    """Yield one finding after the other; none of them changes anything."""
    yield _guarded("Triton", partial(_triton, wanted))
    if wanted.triton is None:
        yield _numpy()
    yield from (_stack(), _cores(), _private())
    if wanted.runtime is Runtime.EMBEDDED:
        yield from _onnxruntime()
        yield from _gpus(wanted)
    for option, port in (("--http-port", wanted.http_port), ("--grpc-port", wanted.grpc_port)):
        yield _guarded(f"port {port}", partial(_port, wanted.host, port, option))
    yield _guarded("gateway", partial(_gateway, wanted))
    yield from _secrets(wanted)
    yield from _artefacts(wanted)


def _guarded(subject: str, look: Callable[[], Finding]) -> Finding:
    """Return a finding, or the error of ours that looking raised: its message names the cure."""
    try:
        return look()
    except ServingError as error:
        found, _, cure = str(error).partition("; ")
        return Finding(subject, Verdict.BROKEN, found, cure)


def _triton(wanted: Settings) -> Finding:
    """Whether the Triton to start is here, with a stub for this Python where it is the wheel's."""
    stub_python()
    if wanted.triton is not None:
        return Finding("Triton", Verdict.FINE, installed_triton(wanted.triton).label)
    with tempfile.TemporaryDirectory() as folder:
        triton = wheel_triton(Path(folder) / "backends")
    if wanted.runtime is Runtime.CONTAINER:
        cure = "name one that has them: --triton /opt/tritonserver/bin/tritonserver, or leave out --runtime"
        text = f"{triton.label} has no native backends, which --runtime container needs"
        return Finding("Triton", Verdict.BROKEN, text, cure)
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Triton", Verdict.FINE, f"{triton.label}, with a stub for Python {version}")


def _numpy() -> Finding:
    """Whether numpy is one that the stubs of the wheel's Triton can be used with."""
    version = version_of("numpy") or "0"
    if int(version.partition(".")[0]) >= 2:
        return Finding("numpy", Verdict.BROKEN, f"{version}: the stubs abort on BYTES tensors", "pip install 'numpy<2'")
    return Finding("numpy", Verdict.FINE, version)


def _stack() -> Finding:
    """Whether Triton's threads may have a stack that survives large messages."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard != resource.RLIM_INFINITY and hard < _STACK_BYTES:
        cure = "raise it: ulimit -Hs unlimited, or docker run --ulimit stack=1073741824"
        return Finding("stack limit", Verdict.BROKEN, f"{hard >> 10} KiB at most; large messages crash Triton", cure)
    return Finding("stack limit", Verdict.FINE, "unlimited" if hard == resource.RLIM_INFINITY else f"{hard >> 20} MiB")


def _private() -> Finding:
    """Whether a child keeps what it makes from other users, even what it opens to them as Triton does its regions."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        words = [sys.executable, "-I", "-S", "-c", _OPEN_TO_ALL, str(made)]
        child = Child(Program("a child", words, Path(folder) / "log", dict(os.environ)))
        child.stop(time.monotonic() + _CHILD_SECONDS)
        private = made.exists() and not made.stat().st_mode & PRIVATE_UMASK
    if private:
        return Finding("other users", Verdict.FINE, "they can read nothing that the server makes")
    cure = "run it where nobody else has an account, or in a container, which has a /dev/shm of its own"
    text = "this kernel sets no seccomp filter: other users can read requests in Triton's shared memory"
    return Finding("other users", Verdict.NOTE, text, cure)


def _secrets(wanted: Settings) -> Iterator[Finding]:
    """Whether other users can read the files that hold secrets."""
    for option, path in (("--api-keys", wanted.api_keys), ("--tls-key", wanted.tls_key)):
        if path is not None and path.exists() and path.stat().st_mode & PRIVATE_UMASK:
            text = f"{path} has the mode {path.stat().st_mode & 0o777:04o}: other users can read or change it"
            yield Finding(option, Verdict.NOTE, text, f"chmod 600 {path}")


def _cores() -> Finding:
    """How many cores there are."""
    return Finding("cores", Verdict.FINE, f"{granted_cores()} granted")


def _onnxruntime() -> Iterator[Finding]:
    """Whether exactly one ONNX Runtime is installed, and what it runs on."""
    installed = {name: version for name in _TWINS if (version := version_of(name))}
    if not installed or importlib.util.find_spec("onnxruntime") is None:
        yield Finding("ONNX Runtime", Verdict.BROKEN, "not installed", "pip install onnxruntime (or onnxruntime-gpu)")
        return
    if len(installed) > 1:
        cure = "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install the one you want"
        text = " and ".join(f"{name} {version}" for name, version in installed.items())
        yield Finding("ONNX Runtime", Verdict.BROKEN, f"{text} overwrite each other", cure)
        return
    import onnxruntime

    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
    ((name, version),) = installed.items()
    yield Finding("ONNX Runtime", Verdict.FINE, f"{name} {version} on {providers}")
    if name == "onnxruntime-gpu" and "CUDA" not in providers:
        cure = "install the CUDA and cuDNN versions that this onnxruntime-gpu was built for"
        yield Finding("ONNX Runtime", Verdict.NOTE, "onnxruntime-gpu without CUDA runs on the CPU", cure)


def _gpus(wanted: Settings) -> Iterator[Finding]:
    """Which GPUs there are, whether ONNX Runtime has a provider for them, and what it lacks; each is tried later."""
    if wanted.gpu.indices == ():
        yield Finding("GPU", Verdict.FINE, "none asked for: gpu.devices is none")
        return
    here, chosen = gpus_here(), chosen_gpus(wanted.gpu)
    installed = providers_here(wanted.gpu)
    for warning in chosen.warnings:
        yield Finding("GPU", Verdict.NOTE, warning, "choose others, gpu.devices, or leave it at auto")
    told = ", ".join(map(_told, here)) or "the driver tells of none"
    if not installed and not here:
        yield Finding("GPU", Verdict.FINE, f"{told}; networks run on the processor")
    elif not installed:
        cure = f'pip install {PLUGIN_PACKAGE}, or {CUDA_PACKAGE} in the place of onnxruntime; or gpu.devices = "none"'
        yield Finding("GPU", Verdict.NOTE, f"{told}; not used: ONNX Runtime has no provider for it", cure)
    elif not here:
        cure = "install NVIDIA's driver, or start the container with --gpus all"
        yield Finding("GPU", Verdict.NOTE, f"{told}; {', '.join(installed)} will hardly start", cure)
    else:
        yield Finding("GPU", Verdict.FINE, f"{told}; tried are {', '.join(chosen.providers)}")


def _told(gpu: Gpu) -> str:
    """Return what the driver tells of a GPU."""
    return f"GPU {gpu.index} of compute capability {gpu.compute_capability}"


def _port(host: str, port: int, option: str) -> Finding:
    """Whether a port is free."""
    listen(host, port, option).close()
    return Finding(f"port {port}", Verdict.FINE, "free")


def _gateway(wanted: Settings) -> Finding:
    """Whether keys, certificate and the address for traces can be used, and who may come in."""
    gateway = gateway_options(wanted)
    keys = f"{len(gateway.key_hashes)} API keys" if gateway.key_hashes else "no API keys"
    text = f"{wanted.host}, {keys}, {'TLS' if gateway.tls_cert else 'no TLS'}"
    if wanted.host != LOOPBACK and not gateway.key_hashes:
        cure = "give it keys: --api-keys FILE, or let only a gateway reach it"
        return Finding("gateway", Verdict.NOTE, f"{text}: whoever reaches this address may ask", cure)
    return Finding("gateway", Verdict.FINE, text)


def _artefacts(wanted: Settings) -> Iterator[Finding]:
    """Whether every network is what its contract says and opens, and whether /dev/shm holds them all."""
    try:
        networks = find_networks(wanted.repository, wanted.network)
    except ServingError as error:
        found, _, cure = str(error).partition("; ")
        yield Finding(str(wanted.repository), Verdict.BROKEN, found, cure)
        return
    in_container, stale = wanted.runtime is Runtime.CONTAINER, False
    for network in networks:
        yield from [_described(network)] if in_container else _opens(network, wanted)
        for graph, engine in ((one, engine) for one in network.graphs for engine in one.engines):
            yield (finding := _engine(network, graph, engine, engines.this_host()))
            stale |= finding.verdict is Verdict.BROKEN
    if stale:
        return  # nothing can be assembled
    with tempfile.TemporaryDirectory() as folder:
        yield _guarded("/dev/shm", partial(_room, networks, Path(folder) / "repository", wanted))


def _opens(network: ServedNetwork, wanted: Settings) -> Iterator[Finding]:
    """Whether ONNX Runtime opens a network's graphs and runs them, and where."""
    tuning = Tuning.of(wanted)
    profile = profile_of({spec.name: spec.shape for spec in network.contract.inputs}, network.contract.max_batch_size)
    alone = network.contract.precision in TENSORRT_ALONE
    device = tuning.chosen.gpus[0].index if tuning.chosen.gpus else None
    try:
        check_precision(network, wanted.runtime, tuning)
        for graph in network.graphs:
            shapes = {name: profile[name] for name in graph.inputs}
            file = GraphFile(graph.source, graph.sha256, graph.weights is not None, graph.engine, shapes)
            places = tuning.wish.places(device, engine=tuning.engines and graph.engine is not None, alone=alone)
            opened = first_that_runs(file, places, 0, lambda session: None)
            for warning in opened.warnings:
                cure = "see what Triton's log says, or choose what runs: [gpu] in docs/serving.toml"
                text = f"{warning}; it runs on {opened.place.label}"
                yield Finding(graph.model, Verdict.NOTE, text, cure)
    except Exception as error:  # ONNX Runtime has error types of its own for every reason
        cure = "export the run again, or install an ONNX Runtime that reads this operator set"
        yield Finding(network.name, Verdict.BROKEN, f"its graph does not open: {error}", cure)
        return
    yield _described(network)


def _described(network: ServedNetwork) -> Finding:
    """What a network's contract says of its graph; in the container Triton's own backends open it."""
    contract = network.contract
    parity = ", ".join(f"{one.output} {one.measure} {one.value:g}" for one in contract.parity if one.stage == "onnx")
    return Finding(contract.name, Verdict.FINE, f"opset {contract.graph.opset}, measured parity: {parity}")


def _engine(network: ServedNetwork, graph: ServedGraph, engine: Path, host: engines.Host) -> Finding:
    """Whether an engine beside a graph is for this graph and this machine."""
    is_plan = engine == graph.plan
    subject = f"{graph.model} {'plan' if is_plan else 'engine'}"
    if found := engines.faults(engine, graph.sha256, host if is_plan else engines.Host()):
        cure = f"build it anew on the machine that serves it: crosswire plan-script {network.name}"
        if not is_plan:
            cure = "export it again with --format tensorrt-rtx, or remove it: only your own programs run it"
        return Finding(subject, Verdict.BROKEN, "; ".join(found), cure)
    manifest = EngineManifest.load(engine)
    built = f"{manifest.runtime} {manifest.version}, compute capability {', '.join(manifest.compute_capabilities)}"
    if not is_plan:
        return Finding(subject, Verdict.NOTE, f"fits its graph ({built}); {_who_runs_it(manifest)}")
    if manifest.runtime not in host.libraries or host.compute_capability is None:
        text = f"fits its graph ({built}); this machine has no GPU or no TensorRT, so it was not tried"
        return Finding(subject, Verdict.NOTE, text)
    return Finding(subject, Verdict.FINE, f"for {built}")


def _who_runs_it(manifest: EngineManifest) -> str:
    """Return what runs an engine of TensorRT-RTX, in words."""
    if not manifest.context_sha256:
        return "this server runs the graph, not the engine"
    return "ONNX Runtime's provider for TensorRT-RTX runs it where there is such a GPU; elsewhere the graph is run"


def _room(networks: tuple[ServedNetwork, ...], to: Path, wanted: Settings) -> Finding:
    """Whether /dev/shm has room for one full batch of every model."""
    configs = assemble(networks, wanted.runtime, to, copy_graphs=False, tuning=Tuning.of(wanted)).configs
    shm.check_room(configs.values())
    text = f"{shm.bytes_needed(configs.values()) >> 20} MiB needed, {shm.free_bytes() >> 20} MiB free"
    return Finding("/dev/shm", Verdict.FINE, text)
