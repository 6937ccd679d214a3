"""A server of one's own, for a machine that has the `serve` extra: nothing of `serving` is imported here."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from crosswire.clients.errors import InputError, ServerUnreachable
from crosswire.contract.server_process import ServerProcess

REPOSITORY = Path("model_repository")


class _OwnServer(ServerProcess):
    """A server as a child of this process, whose start raises the errors of this room."""

    start_error = ServerUnreachable


@contextlib.contextmanager
def own_server(repository: Path) -> Iterator[str]:
    """Start a server on free loopback ports and stop it at the end; yields its gRPC address.

    Args:
        repository: folder of exported networks.

    Raises:
        InputError: the server's part of Crosswire is not installed here.
        ServerUnreachable: the server did not start; holds what it said.
    """
    if importlib.util.find_spec("crosswire.serving") is None:
        raise InputError("this installation has no server to start; name one with --url grpc://HOST:PORT")
    with _OwnServer(repository) as server:
        yield server.grpc_url
