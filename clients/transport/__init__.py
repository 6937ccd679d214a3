"""The way to a server: a few verbs, two protocols, blocking and asynchronous."""

from __future__ import annotations

from clients.address import Address
from clients.transport.base import AsyncTransport, Tensors, Transport
from clients.transport.grpc import AsyncGrpcTransport, GrpcTransport
from clients.transport.http import AsyncHttpTransport, HttpTransport

__all__ = ["AsyncTransport", "Tensors", "Transport", "open_async_transport", "open_transport"]


def open_transport(address: Address) -> Transport:
    """Return the transport for an address; nothing is sent before the first request."""
    return GrpcTransport(address) if address.scheme == "grpc" else HttpTransport(address)


def open_async_transport(address: Address) -> AsyncTransport:
    """Return the same for an event loop."""
    return AsyncGrpcTransport(address) if address.scheme == "grpc" else AsyncHttpTransport(address)
