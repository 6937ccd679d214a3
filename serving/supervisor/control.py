"""The line to a running server: one JSON request and one JSON answer over a socket in its private folder."""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract.plain import from_plain, to_plain
from crosswire.serving.errors import ServingError
from crosswire.serving.processes.run_state import short_path

RENEW = "renew"
_NAME = "control"
_MOST_BYTES = 4096
_SEND_SECONDS = 2.0


@dataclass(frozen=True)
class Order:
    """What a running server is told to do.

    Attributes:
        verb: `load`, `unload` or `reload` a network, or `renew` keys and certificate.
        network: the network that it is about, if any.
    """

    verb: str
    network: str = ""


class ControlSocket:
    """The server's end."""

    def __init__(self, folder: Path) -> None:
        """Listen in a folder that only this user can enter."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(folder) as short:
            self._socket.bind(str(short / _NAME))
        self._socket.listen(8)
        self._socket.setblocking(False)

    def handle(self, obey: Callable[[Order], str]) -> None:
        """Answer the next order, if there is one, with what `obey` returns or raises; no order ends the server."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(_SEND_SECONDS)
            try:
                order = from_plain(Order, json.loads(connection.recv(_MOST_BYTES)), "order")
            except (OSError, ValueError):
                return
            try:
                answer = {"done": obey(order)}
            except ServingError as error:
                answer = {"error": str(error)}
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"the server failed at this: {type(error).__name__}: {error}"}
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
            with short_path(folder) as short:
                connection.connect(str(short / _NAME))
            connection.sendall(json.dumps(to_plain(order)).encode())
            text = b"".join(iter(lambda: connection.recv(_MOST_BYTES), b""))
    except OSError as error:
        raise ServingError(f"the server did not answer: {error}; see how it is: crosswire status") from error
    try:
        answer = json.loads(text)
    except ValueError:
        raise ServingError("the server ended before it answered; see how it is: crosswire status") from None
    if "error" in answer:
        raise ServingError(answer["error"])
    return str(answer["done"])
