"""The line to a running server: one JSON request and one JSON answer over a socket in its private folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServingError

_NAME = "control"
_MOST_BYTES = 4096
_SEND_SECONDS = 2.0


@dataclass(frozen=True)
class Order:
    """What a running server is told to do.

    Attributes:
        verb: `load`, `unload` or `reload`.
        network: the network that it is about.
    """

    verb: str
    network: str


class ControlSocket:
    """The server's end."""

    def __init__(self, folder: Path) -> None:
        """Listen in a folder that only this user can enter."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _reachable(folder) as address:
            self._socket.bind(address)
        self._socket.listen(8)
        self._socket.setblocking(False)

    def answer(self, obey: Callable[[Order], str]) -> None:
        """Answer the next order, if there is one, with what `obey` returns or raises as `ServingError`."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(_SEND_SECONDS)
            try:
                order = Order(**json.loads(connection.recv(_MOST_BYTES)))
            except (OSError, ValueError, TypeError):
                return
            try:
                answer = {"done": obey(order)}
            except ServingError as error:
                answer = {"error": str(error)}
            try:
                connection.sendall(json.dumps(answer).encode())
            except OSError:  # whoever asked did not wait
                return

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def send(folder: Path, order: Order, seconds: float) -> str:
    """Give an order to the server whose run-state folder this is; return what it did.

    Raises:
        ServingError: the server refused it, does not answer or is gone.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            with _reachable(folder) as address:
                connection.connect(address)
            connection.sendall(json.dumps({"verb": order.verb, "network": order.network}).encode())
            text = b"".join(iter(lambda: connection.recv(_MOST_BYTES), b""))
    except OSError as error:
        raise ServingError(f"the server did not answer: {error}; see how it is: python -m serving status") from error
    if not text:
        raise ServingError("the server ended before it answered; see how it is: python -m serving status")
    answer = json.loads(text)
    if "error" in answer:
        raise ServingError(answer["error"])
    return str(answer["done"])


@contextmanager
def _reachable(folder: Path) -> Iterator[str]:
    """Give an address of the socket that is short enough however long the folder's path is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)
