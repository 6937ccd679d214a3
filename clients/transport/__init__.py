"""The way to a server: one verb, two protocols."""

from __future__ import annotations

from clients.address import Address
from clients.transport.base import Tensors, Transport
from clients.transport.grpc import GrpcTransport
from clients.transport.http import HttpTransport

__all__ = ["Tensors", "Transport", "open_transport"]


def open_transport(address: Address) -> Transport:
    """Return the transport for an address; nothing is sent before the first request."""
    return GrpcTransport(address) if address.scheme == "grpc" else HttpTransport(address)
