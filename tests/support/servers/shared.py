"""Servers that the tests of one process share; they end before the tests that ask none, for waiting costs time too."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crosswire.serving.processes.embedded import EmbeddedServer

_RUNNING = ExitStack()


def shared(server: EmbeddedServer) -> EmbeddedServer:
    """Start a server that runs until `end_all`."""
    return _RUNNING.enter_context(server)


def end_all() -> None:
    """End every server that was started so far."""
    _RUNNING.close()
