"""Ports: taking one, and naming the process that has it already."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from crosswire.serving.errors import ServingError
from crosswire.serving.processes.process_table import command_of, listeners_on, parent_of

LOOPBACK = "127.0.0.1"
ANY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True)
class Owner:
    """A process that listens on a port.

    Attributes:
        pid: its process id.
        command: its command line.
    """

    pid: int
    command: str


def listen(host: str, port: int, option: str) -> socket.socket:
    """Return a socket that listens on a port.

    Args:
        host: address to bind to.
        port: the port, or 0 for a free one.
        option: the command-line option that chose the port, for messages.

    Raises:
        ServingError: the port is taken, is not allowed or does not exist; says by whom.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with _in_words(taken, host, port, option):
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(2048)
    return taken


def reserve(host: str, port: int, option: str) -> socket.socket:
    """Return a bound socket that keeps a port for a child process of this user, which binds it with SO_REUSEPORT.

    It does not listen itself, so it gets no connection. Arguments and errors as for `listen`.
    """
    with listen(host, port, option) as probe:
        host, port = probe.getsockname()
    kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with _in_words(kept, host, port, option):  # somebody may have taken the port just now
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((host, port))
    return kept


def owner_of(port: int) -> Owner | None:
    """Return the outermost process that listens on a port, or None if it belongs to another user or nobody."""
    owners = listeners_on(port)
    if not owners:
        return None
    outermost = min(owners, key=lambda pid: (parent_of(pid) in owners, pid))
    pid = _supervisor_above(outermost)
    return Owner(pid, _command(pid))


@contextlib.contextmanager
def _in_words(bound: socket.socket, host: str, port: int, option: str) -> Iterator[None]:
    """Close a socket that cannot be bound in a block, and raise `ServingError` for the reason."""
    try:
        yield
    except PermissionError:
        bound.close()
        raise ServingError(f"{option} {port} needs more rights than this user has; choose one above 1023") from None
    except OSError as error:
        bound.close()
        if error.errno != errno.EADDRINUSE:
            raise ServingError(
                f"{host!r} is no IPv4 address of this machine ({error}); choose another --host"
            ) from None
        raise ServingError(_taken_message(port, option)) from None


def _taken_message(port: int, option: str) -> str:
    """Say who has the port and what to do."""
    owner = owner_of(port)
    elsewhere = f"or choose another port: {option} PORT (0 picks a free one)"
    if owner is None:
        return f"port {port} is taken by a process of another user; {elsewhere.removeprefix('or ')}"
    return f"port {port} is taken by process {owner.pid} ({owner.command}); stop it with: kill {owner.pid}, {elsewhere}"


def _supervisor_above(pid: int) -> int:
    """Return the `crosswire serve` process that started this one, else the process itself."""
    parent = parent_of(pid)
    words = [] if parent is None else _command(parent).split()
    is_ours = any("crosswire" in word for word in words[:3]) and ("serve" in words or "up" in words)
    return parent if parent is not None and is_ours else pid


def _command(pid: int) -> str:
    """Return a process's command line, shortened."""
    line = " ".join(command_of(pid)).strip() or "unknown"
    return line if len(line) <= 120 else line[:119] + "…"
