"""`crosswire serve`: everything that a server needs, from its settings until its end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crosswire.serving.config.settings import Settings
from crosswire.serving.gateway.options import gateway_options, write_options
from crosswire.serving.processes import shm
from crosswire.serving.processes.exec_child import PRIVATE_UMASK
from crosswire.serving.processes.ports import listen, reserve
from crosswire.serving.processes.run_state import ServerRun, open_log, run_state, short_path
from crosswire.serving.repository.assemble import assemble
from crosswire.serving.repository.networks import find_networks
from crosswire.serving.repository.tuning import Tuning
from crosswire.serving.supervisor.supervisor import Stop, Supervisor


def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Raises:
        ServingError: the settings cannot be served, or the server does not start.
    """
    began = time.monotonic()
    os.umask(PRIVATE_UMASK)
    gateway = gateway_options(settings)
    networks = find_networks(settings.repository, settings.network)
    with (
        _set_by_signals() as stop,
        listen(settings.host, settings.http_port, "--http-port") as listener,
        reserve(settings.host, settings.grpc_port, "--grpc-port") as reserved,
        open_log(settings.access_log) as access_log,
        run_state() as state,
        short_path(state.folder) as short,
    ):
        run = _choose_ports(settings, listener, reserved, short)
        write_options(state.folder, gateway)
        assembled = assemble(
            networks, settings.runtime, state.triton_repository, copy_graphs=False, tuning=Tuning.of(settings)
        )
        shm.check_room(assembled.configs.values())
        supervisor = Supervisor(settings, state, run, assembled, listener, access_log, stop)
        try:
            supervisor.start()
            supervisor.announce(time.monotonic() - began)
            supervisor.watch()
        except Stop:
            pass
        finally:
            supervisor.stop()


@contextmanager
def _set_by_signals() -> Iterator[threading.Event]:
    """Give an event that a signal sets, as long as it is needed."""
    event = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: event.set())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _choose_ports(settings: Settings, http: socket.socket, grpc: socket.socket, private: Path) -> ServerRun:
    """Return where everything is served: the gateway on two ports, Triton on sockets in a private folder.

    Triton 2.51 knows no keys. On a port of its own whoever has an account on this machine could ask it past the
    gateway, and end it.
    """
    http_port, grpc_port = (kept.getsockname()[1] for kept in (http, grpc))
    triton = f"unix:{private}/triton:1"  # Triton ends every address with a port
    return ServerRun(settings.host, http_port, grpc_port, triton, f"{private}/metrics", settings.tls_cert is not None)
