"""Errors of the clients, as one tree.

    CrosswireError
    ├── AddressError          the server's address cannot be understood
    ├── InputError            an image, an array or a number cannot be sent
    ├── OutputError           a result cannot be written
    └── ServerError           the server was asked and there is no result
        ├── ServerUnreachable     nothing answers at the address
        ├── ServerOverloaded      it answers, but takes no more requests now
        ├── DeadlineExceeded      it did not answer in time
        ├── PipelineNotFoundError it has no such pipeline, or one for another task
        ├── RequestRejectedError  it read the request and refuses it
        └── InternalServerError   it broke on the request, or its response makes no sense

Every message is one sentence or two: what was got, what is expected, what to try. Errors of the transport libraries are
translated once, in `crosswire.clients.transport`, and stay attached as `__cause__`.
"""

from __future__ import annotations

from crosswire.contract.errors import CrosswireError as CrosswireError


class AddressError(CrosswireError):
    """The server's address cannot be understood."""


class InputError(CrosswireError):
    """An image, an array or a number cannot be sent; raised before the server is asked."""


class OutputError(CrosswireError):
    """A result cannot be written."""


class ServerError(CrosswireError):
    """The server was asked and there is no result."""


class ServerUnreachable(ServerError):
    """Nothing answers at the address."""


class ServerOverloaded(ServerError):
    """The server answers, but takes no more requests now; the request was not run and may be sent again."""


class DeadlineExceeded(ServerError):
    """The server did not answer in time; it may still be working on the request."""


class PipelineNotFoundError(ServerError):
    """The server has no such pipeline, or one for another task."""


class RequestRejectedError(ServerError):
    """The server read the request and refuses it; sending it again changes nothing."""


class InternalServerError(ServerError):
    """The server broke on the request, or its response makes no sense."""
