"""A server of one's own, for a machine that has the `serve` extra: nothing of `serving` is imported here."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from crosswire.clients.errors import InputError, ServerUnreachable
from crosswire.contract.server_process import ServerProcess

REPOSITORY = Path("model_repository")


class _OwnServer(ServerProcess):
    """A server as a child of this process, whose start raises the errors of this room."""

    start_error = ServerUnreachable


def server_at(
    url: str | Sequence[str] | None, repository: str | os.PathLike[str] = REPOSITORY
) -> contextlib.AbstractContextManager[str]:
    """Return given addresses as one text, or a server of one's own for as long as it is needed.

    Args:
        url: one address or several, or None to start a server.
        repository: folder of exported networks that it serves.
    """
    if url is None:
        return own_server(Path(repository))
    return contextlib.nullcontext(url if isinstance(url, str) else ",".join(url))


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
