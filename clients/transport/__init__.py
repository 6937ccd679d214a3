"""The way to a server: a few verbs, two protocols, blocking and asynchronous."""

from __future__ import annotations

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.transport.base import AsyncTransport, Send, Tensors, Transport
from crosswire.clients.transport.grpc import AsyncGrpcTransport, GrpcTransport
from crosswire.clients.transport.http import AsyncHttpTransport, HttpTransport

__all__ = ["AsyncTransport", "Send", "Tensors", "Transport", "open_async_transport", "open_transport"]


def open_transport(address: Address, access: Access | None = None) -> Transport:
    """Return the transport for an address; nothing is sent before the first request."""
    kind = GrpcTransport if address.is_grpc else HttpTransport
    return kind(address, access or Access())


def open_async_transport(address: Address, access: Access | None = None) -> AsyncTransport:
    """Return the same for an event loop."""
    kind = AsyncGrpcTransport if address.is_grpc else AsyncHttpTransport
    return kind(address, access or Access())
