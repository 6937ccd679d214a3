"""The servers of this user that run on this machine: finding them, showing them, giving them orders."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crosswire.serving.errors import ServingError
from crosswire.serving.processes.run_state import Health, ServerRun, living_folders, read_health, read_run
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun
from crosswire.serving.supervisor.control import Order, send

_ORDER_SECONDS = 300.0


@dataclass(frozen=True)
class Running:
    """One server.

    Attributes:
        folder: its run-state folder.
        run: where it serves.
        health: what its supervisor says.
    """

    folder: Path
    run: ServerRun
    health: Health


def running_servers() -> tuple[Running, ...]:
    """Return the servers of this user that are alive."""
    found = []
    for folder in living_folders():
        try:
            found.append(Running(folder, read_run(folder), read_health(folder)))
        except (FileNotFoundError, ServingError):  # it has only just begun or is ending, or is of another version
            continue
    return tuple(found)


def choose(http_port: int | None) -> Running:
    """Return the only server, or the one on a port.

    Raises:
        ServingError: there is none, or there are several.
    """
    servers = [one for one in running_servers() if http_port in (None, one.run.http_port)]
    if len(servers) == 1:
        return servers[0]
    ports = ", ".join(str(one.run.http_port) for one in running_servers())
    if not servers:
        where = "" if http_port is None else f" on port {http_port}"
        raise ServingError(f"no server of yours runs{where}; running are: {ports or 'none'}; start one: serving up")
    raise ServingError(f"{len(servers)} servers of yours run; choose one: --http-port with one of {ports}")


def order(verb: str, network: str, http_port: int | None) -> str:
    """Give the chosen server an order; return what it did; raises like `send`."""
    return send(choose(http_port).folder, Order(verb, network), _ORDER_SECONDS)


def describe(server: Running) -> dict[str, Any]:
    """Return everything that is known about a server, ready for JSON."""
    return {"http_url": server.run.http_url, "grpc_url": server.run.grpc_url, **asdict(server.health)}


def as_prose(server: dict[str, Any]) -> str:
    """Return the same as lines for a person."""
    state = "ready" if server["ready"] else f"not ready: {server['reason']}"
    restarts = ", ".join(f"{part} {count}" for part, count in server["restarts"].items())
    lines = [f"{server['http_url']}  {server['grpc_url']}  {state}", f"  restarts: {restarts or 'unknown'}"]
    for name in server["pipelines"]:
        seconds = server["canaries"].get(name, "not yet")
        probe_inference = (
            "failed" if seconds is None else seconds if isinstance(seconds, str) else f"{seconds * 1e3:.0f} ms"
        )
        lines.append(f"  {name}: last probe {probe_inference}")
    lines += [f"  {GraphRun(**graph).text}" for graph in server["graphs"]]
    lines += [f"  warning: {warning}" for warning in server["warnings"]]
    return "\n".join(lines)
