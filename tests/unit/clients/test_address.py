"""Addresses of servers, as users write them."""

from __future__ import annotations

import pytest

from crosswire.clients import AddressError, Predictor
from crosswire.clients.address import Address


@pytest.mark.parametrize(
    ("url", "scheme", "target"),
    [
        ("grpc://127.0.0.1:8001", "grpc", "127.0.0.1:8001"),
        ("http://localhost:9/", "http", "localhost:9"),
        ("grpc://server.example", "grpc", "server.example:8001"),
        ("http://server.example", "http", "server.example:8000"),
        ("grpc://[::1]:65535", "grpc", "[::1]:65535"),
    ],
)
def test_an_address_is_scheme_host_and_port_with_a_default_port(url: str, scheme: str, target: str) -> None:
    address = Address.parse(url)
    assert (address.scheme, address.target) == (scheme, target)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("127.0.0.1:8001", "does not start with grpc:// or http://"),
        ("ftp://host:1", "does not start with grpc:// or http://"),
        ("", "does not start with grpc:// or http://"),
        ("grpc://", "names no host"),
        ("grpc://:8001", "names no host"),
        ("grpc://host:port", "cannot be read"),
        ("grpc://host:70000", "cannot be read"),
        ("grpc://[::1", "cannot be read"),
        ("http://host:0", "port 0"),
        ("http://host:80/v2", "more than scheme, host and port"),
        ("http://user:word@host:80", "more than scheme, host and port"),
    ],
)
def test_a_wrong_address_is_named_with_an_example(url: str, complaint: str) -> None:
    with pytest.raises(AddressError, match=complaint) as caught:
        Predictor(url)
    assert "grpc://127.0.0.1:8001" in str(caught.value)
