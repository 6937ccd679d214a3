"""A server as a child of this process, whose start raises the errors of this room."""

from __future__ import annotations

from crosswire.contract.server_process import ServerProcess
from crosswire.serving.errors import ServingError


class EmbeddedServer(ServerProcess):
    """Starts a server on loopback when entered and stops it when left; see `ServerProcess`.

    Example:
        >>> with EmbeddedServer(Path("model_repository")) as server:
        ...     print(server.grpc_url)
    """

    start_error = ServingError
