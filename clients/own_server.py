"""A server of one's own, for a machine that has the `serve` extra: `crosswire serve` as a child process.

Nothing of `serving` is imported: clients are installed without it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from crosswire.clients.errors import InputError, ServerUnreachable

REPOSITORY = Path("model_repository")
_STOP_SECONDS = 15.0


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
    command = [sys.executable, "-m", "crosswire.serving", "up", "--json", "--parent", str(os.getpid())]
    command += ["--repository", str(repository), "--http-port", "0", "--grpc-port", "0"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        assert process.stdout is not None
        with process.stdout:
            try:
                line = process.stdout.readline()
                if not line:
                    log.seek(0)
                    said = log.read().decode(errors="replace").strip().removeprefix("error: ")
                    raise ServerUnreachable(said or "the server ended while starting")
                yield str(json.loads(line)["grpc_url"])
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
