"""Everything that can be chosen for a server, typed; from a TOML file, from the command line, or as it comes."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from crosswire.contract.fields import NonNegativeInt, PositiveInt, Range, check_fields
from crosswire.contract.plain import from_plain
from crosswire.serving.config.gpu import GpuSettings, check_gpu
from crosswire.serving.config.limits import ClipLimits, ImageLimits, QueueLimits, RequestLimits, Seconds
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.ports import LOOPBACK
from crosswire.serving.repository.model_config import Runtime

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


Port = Annotated[int, Range(least=0, most=65_535)]
Instances = Annotated[int, Range(least=1, most=256)]


@dataclass(frozen=True)
class Pace:
    """How often to probe, and how patiently.

    Attributes:
        seconds: shortest pause between two rounds of probes.
        share: largest share of the time that probes may take; a slow network is probed less often.
        patience_seconds: shortest time before an unanswered probe counts as failed.
        patience_factor: the same, as a multiple of the slowest answer at the start.
        failures: failed rounds in a row that mean the server is broken.
    """

    seconds: Seconds = 2.0
    share: Annotated[float, Range(above=0, most=1)] = 0.02
    patience_seconds: Seconds = 10.0
    patience_factor: Annotated[float, Range(above=0, most=86_400)] = 20.0
    failures: PositiveInt = 2


@dataclass(frozen=True)
class ModelSettings:
    """How Triton runs the models.

    Attributes:
        instances: processes of every network; each has its own copy of the weights. One uses all cores, and answers as
            many requests at a time as it has threads.
        threads: processor threads of every one; 0 for all granted cores with one instance or two, fewer with more.
        step_instances: processes of every step before or after a network; one answers several at a time. More than
            one give every step a process of its own.
        batch_delay_microseconds: how long a request may wait for others to share a batch with.
        cache_bytes: memory for the answers of pipelines, found again by the very bytes that were sent; 0 for none.
        priority_levels: classes of requests, by their parameter `priority`, 1 first; 0 for none. Who gives none is in
            the middle.
        warm_up: sizes of batches that every network answers once before it counts as loaded.
        in_process: whether all steps of a pipeline run in one process instead of one each. Left out: on a processor,
            where handing images from process to process costs more than it brings, but not on a GPU, where requests
            share batches before the network alone, and not with `step_instances`.
    """

    instances: Instances = 1
    threads: Annotated[int, Range(least=0, most=1024)] = 0
    step_instances: Instances = 1
    batch_delay_microseconds: Annotated[int, Range(least=0, most=60_000_000)] = 0
    cache_bytes: Annotated[int, Range(least=0, most=1 << 40)] = 0
    priority_levels: Annotated[int, Range(least=0, most=100)] = 0
    warm_up: tuple[PositiveInt, ...] = (1,)
    in_process: bool | None = None


@dataclass(frozen=True)
class Settings:
    """What to serve, where, and how. The fields above `start_seconds` are options of `serving up` by the same names.

    Attributes:
        repository: source repository of exported networks.
        network: which of them; all if empty.
        http_port: HTTP port of the gateway, 0 for a free one.
        grpc_port: gRPC port of the gateway, 0 for a free one.
        host: address for both; anything but loopback is for a container's own network.
        runtime: who runs the graphs.
        triton: an installed `tritonserver` to start, or None for the one in the wheel.
        parent: process whose end stops the server, or None.
        json: announce the server as one line of JSON on standard output instead of prose.
        access_log: file that gets one line of JSON per request, `-` for standard error, or None.
        api_keys: file with one key per line, one of which every request but health questions must carry; None for no
            keys.
        tls_cert: PEM file with the certificate chain for HTTPS and gRPC, or None for no TLS.
        tls_key: PEM file with its private key.
        traces: OTLP/HTTP address that gets a trace of every request, or None.
        start_seconds: longest time until every probe has passed.
        cors_origins: origins whose pages may read the answers, such as `https://example.org`, or `*` for all; none by
            default.
        limits: on one request, and on all together.
        images: on one encoded image.
        clips: on one encoded clip.
        queue: on what waits in a batcher of Triton's.
        models: how Triton runs them.
        gpu: which GPUs run the networks, and how.
        pace: how often to probe.
    """

    repository: Path = Path("model_repository")
    network: tuple[str, ...] = ()
    http_port: Port = 8000
    grpc_port: Port = 8001
    host: str = LOOPBACK
    runtime: Runtime = Runtime.EMBEDDED
    triton: Path | None = None
    parent: NonNegativeInt | None = None
    json: bool = False
    access_log: str | None = None
    api_keys: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    traces: str | None = None
    start_seconds: Seconds = 180.0
    cors_origins: tuple[str, ...] = ()
    limits: RequestLimits = field(default_factory=RequestLimits)
    images: ImageLimits = field(default_factory=ImageLimits)
    clips: ClipLimits = field(default_factory=ClipLimits)
    queue: QueueLimits = field(default_factory=QueueLimits)
    models: ModelSettings = field(default_factory=ModelSettings)
    gpu: GpuSettings = field(default_factory=GpuSettings)
    pace: Pace = field(default_factory=Pace)


#: An origin as browsers write it, or any.
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s,*@?#A-Z]+")

#: Settings that have another name now.
_RENAMED = {
    "pictures": "images",
    "models.fused": "models.in_process",
    "models.stage_instances": "models.step_instances",
}


def choose(config: Path | None, flags: dict[str, Any]) -> Settings:
    """Return the settings of a file with those of the command line in their place.

    Args:
        config: TOML file, or None.
        flags: fields of `Settings` that the command line gave.

    Raises:
        ServingError: the file cannot be read, names something that there is not, or two settings contradict.
    """
    settings = replace(Settings() if config is None else read(config), **flags)
    check_fields(settings, "", ServingError)
    if settings.http_port == settings.grpc_port != 0:
        raise ServingError(f"--http-port and --grpc-port are both {settings.http_port}; choose two ports")
    if wrong := [origin for origin in settings.cors_origins if not _ORIGIN.fullmatch(origin)]:
        raise ServingError(
            f"cors_origins: got {wrong[0]!r}, expected * or a scheme and a host without a path, try https://example.org"
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ServingError("TLS needs both --tls-cert and --tls-key; give the PEM files of a certificate and its key")
    if len(set(settings.network)) < len(settings.network):
        raise ServingError(f"a network is named twice in {', '.join(settings.network)}; name each once")
    check_gpu(settings.gpu)
    if settings.models.in_process and settings.models.step_instances > 1:
        raise ServingError(
            f"models.step_instances is {settings.models.step_instances}, but with models.in_process steps have no "
            "process of their own; leave out one, or ask for more models.instances"
        )
    if settings.models.in_process and settings.runtime is not Runtime.EMBEDDED:
        raise ServingError(
            f"models.in_process is for the embedded runtime, not for {settings.runtime.value}; leave out one"
        )
    return settings


def read(path: Path) -> Settings:
    """Read a TOML file; paths in it are relative to its folder.

    Raises:
        ServingError: it cannot be read, or holds a key or a value that is not allowed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"--config {path} cannot be read: {error}; name a TOML file") from error
    except ValueError as error:  # a TOMLDecodeError, or a number with thousands of digits
        raise ServingError(f"--config {path} is no TOML: {error}; see docs/serving.toml for an example") from error
    for old, new in _RENAMED.items():
        section, _, key = old.rpartition(".")
        if key in (table.get(section, {}) if section else table):
            raise ServingError(f"--config {path}: {old} is now {new}")
    try:
        settings = from_plain(Settings, table, error=ServingError, folder=path.parent)
    except ServingError as error:
        raise ServingError(f"--config {path}: {error}") from error
    if settings.access_log not in (None, "-"):
        return replace(settings, access_log=str(path.parent / settings.access_log))
    return settings
