"""Server addresses: `grpc://host:port` or `http://host:port`, with TLS `grpcs://` or `https://`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from crosswire.clients.errors import AddressError

DEFAULT_PORTS: Final = {"grpc": 8001, "http": 8000, "grpcs": 8001, "https": 8000}
_EXAMPLE = "write grpc://127.0.0.1:8001 or http://127.0.0.1:8000"


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        scheme: protocol, a key of `DEFAULT_PORTS`.
        host: name or IP address, IPv6 without brackets.
        port: TCP port, 1..65535.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read an address; the port may be left out (8001 for gRPC, 8000 for HTTP).

        Raises:
            AddressError: the scheme is missing or unknown, the host is missing, the port is no port, or there is more
                behind it (a path, a query, a password).
        """
        scheme, separator, _ = url.partition("://")
        if not separator or scheme not in DEFAULT_PORTS:
            schemes = " or ".join(f"{known}://" for known in DEFAULT_PORTS)
            raise AddressError(f"address {url!r} does not start with {schemes}; {_EXAMPLE}")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise AddressError(f"address {url!r} cannot be read ({error}); {_EXAMPLE}") from error
        if not host:
            raise AddressError(f"address {url!r} names no host; {_EXAMPLE}")
        if port == 0:
            raise AddressError(f"address {url!r} has port 0; allowed are 1..65535; {_EXAMPLE}")
        if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise AddressError(f"address {url!r} holds more than scheme, host and port; {_EXAMPLE}")
        return cls(scheme, host, port or DEFAULT_PORTS[scheme])

    @property
    def is_grpc(self) -> bool:
        """Whether gRPC is spoken rather than HTTP."""
        return self.scheme.startswith("grpc")

    @property
    def has_tls(self) -> bool:
        """Whether TLS is spoken below it."""
        return self.scheme.endswith("s")

    @property
    def target(self) -> str:
        """`host:port`, with brackets around an IPv6 host."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """Return the address as it is written on a command line."""
        return f"{self.scheme}://{self.target}"
