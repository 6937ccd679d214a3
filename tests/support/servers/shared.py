"""Servers that the tests of one process share; they end before the tests that ask none, for waiting costs time too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crosswire.serving.processes.embedded import EmbeddedServer

_STACK = ExitStack()
_RUNNING: dict[str, EmbeddedServer] = {}


def shared(name: str, make: Callable[[], EmbeddedServer]) -> EmbeddedServer:
    """Return the server of a name, which runs until `end_all`; start it where it does not."""
    if name not in _RUNNING:
        _RUNNING[name] = _STACK.enter_context(make())
    return _RUNNING[name]


def end_all() -> None:
    """End every server that was started so far."""
    _RUNNING.clear()
    _STACK.close()
