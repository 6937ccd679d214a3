"""The way to a server: a few verbs, two protocols, blocking and asynchronous.

Each protocol's library takes a good part of a second to import, so it is imported for the first address that needs it.
"""

from __future__ import annotations

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.transport.base import AsyncTransport, Send, Tensors, Transport

__all__ = ["AsyncTransport", "Send", "Tensors", "Transport", "open_async_transport", "open_transport"]


def open_transport(address: Address, access: Access | None = None) -> Transport:
    """Return the transport for an address; nothing is sent before the first request."""
    if address.is_grpc:
        from crosswire.clients.transport.grpc import GrpcTransport

        return GrpcTransport(address, access or Access())
    from crosswire.clients.transport.http import HttpTransport

    return HttpTransport(address, access or Access())


def open_async_transport(address: Address, access: Access | None = None) -> AsyncTransport:
    """Return the same for an event loop."""
    if address.is_grpc:
        from crosswire.clients.transport.grpc import AsyncGrpcTransport

        return AsyncGrpcTransport(address, access or Access())
    from crosswire.clients.transport.http import AsyncHttpTransport

    return AsyncHttpTransport(address, access or Access())
