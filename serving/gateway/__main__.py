"""The gateway's own process: the supervisor starts `python -m crosswire.serving.gateway --state DIR --listener FD`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn

from crosswire.serving.gateway.access_log import AccessLog
from crosswire.serving.gateway.admission import Admission
from crosswire.serving.gateway.api_keys import Guard
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.arrival.connections import IDLE_SECONDS, TimedHttp
from crosswire.serving.gateway.certificate import Certificate
from crosswire.serving.gateway.grpc.server import make_grpc_server, open_port
from crosswire.serving.gateway.http.app import Parts, make_app
from crosswire.serving.gateway.metrics import Metrics
from crosswire.serving.gateway.options import read_options
from crosswire.serving.gateway.tracing import NoTracing, Tracing
from crosswire.serving.gateway.upstream import Upstream
from crosswire.serving.processes.run_state import read_run

_TICK_SECONDS = 0.02
_WRITE_SECONDS, _FLUSH_SECONDS = 0.3, 1.5
_CLOSE_SECONDS = 1
_TRACE_SECONDS = 1.0
_UNSENT = 0x5411  # SIOCOUTQ


class _Http(uvicorn.Server):
    """uvicorn without signal handlers of its own: a signal starts draining, and the end of draining stops it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def main() -> None:
    """Serve on an inherited listening socket, and over gRPC, until SIGTERM and the last answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="run-state folder")
    parser.add_argument("--listener", type=int, required=True, help="inherited file descriptor of a listening socket")
    parser.add_argument("--access-log", type=int, help="inherited file descriptor that gets a line per request")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is a descriptor, and 1024 are soon gone
    asyncio.run(_serve(options.state, socket.socket(fileno=options.listener), options.access_log))


async def _serve(state: Path, listener: socket.socket, log: int | None) -> None:
    """Serve until SIGTERM, then answer what was taken; SIGHUP tells that networks, keys or the certificate changed."""
    run, options, metrics = read_run(state), read_options(state), Metrics()
    limits = options.limits
    tracing = NoTracing() if options.traces is None else Tracing(options.traces)
    access_log, guard = AccessLog(metrics, log, tracing), Guard(options.key_hashes)
    certificate = (
        None if options.tls_cert is None or options.tls_key is None else Certificate(options.tls_cert, options.tls_key)
    )
    upstream, admission, arrivals = Upstream(run, tracing), Admission(limits), Arrivals(limits)
    parts = Parts(upstream, state, limits, admission, arrivals, metrics, access_log, guard)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    def renew() -> None:
        parts.upstream.renew()
        guard.renew(read_options(state).key_hashes)
        if certificate is not None:
            certificate.renew()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)
    renew()  # what changed before there was a handler
    http = _Http(_http_config(parts, certificate, options.cors_origins))
    grpc_server = make_grpc_server(parts)
    open_port(grpc_server, run.grpc_target, certificate)
    await grpc_server.start()
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    await asyncio.wait({serving, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await _drain(parts.admission, limits.drain_seconds)
    http.should_exit = True
    await serving
    await _flush()
    await asyncio.wait({asyncio.create_task(asyncio.to_thread(tracing.close))}, timeout=_TRACE_SECONDS)
    # Not `grpc_server.stop`: it answers calls that come just then with CANCELLED, which clients do not try again. The
    # end of the process closes their connections, which is UNAVAILABLE.
    os._exit(0)


def _http_config(parts: Parts, certificate: Certificate | None, cors_origins: tuple[str, ...]) -> uvicorn.Config:
    """Return how HTTP is served."""
    return uvicorn.Config(
        make_app(parts, cors_origins),
        http=partial(TimedHttp, parts.arrivals),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(IDLE_SECONDS),
        timeout_graceful_shutdown=_CLOSE_SECONDS,
        ssl_context_factory=None if certificate is None else lambda *_: certificate.http_context(),
    )


async def _drain(admission: Admission, seconds: float) -> None:
    """Refuse new requests until those that are held are answered, or the time is over."""
    admission.close()
    deadline = time.monotonic() + seconds
    while admission.requests and time.monotonic() < deadline:
        await asyncio.sleep(_TICK_SECONDS)


async def _flush() -> None:
    """Wait until the other ends have received every byte, or the time is over; then the process may end."""
    deadline = time.monotonic() + _FLUSH_SECONDS
    await asyncio.sleep(_WRITE_SECONDS)  # gRPC writes in threads of its own, which come late on a busy machine
    while time.monotonic() < deadline and _unsent_bytes():
        await asyncio.sleep(_TICK_SECONDS)


def _unsent_bytes() -> int:
    """Return how many bytes the sockets of this process have not got acknowledged."""
    total = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith("socket:"):
                answer = fcntl.ioctl(int(entry.name), _UNSENT, bytes(4))
                total += int.from_bytes(answer, sys.byteorder)
    return total


if __name__ == "__main__":
    main()
