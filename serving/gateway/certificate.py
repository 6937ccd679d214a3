"""The gateway's certificate, which may be exchanged while it serves."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc


class Certificate:
    """A certificate chain and its private key; connections that are open keep the one that they began with."""

    def __init__(self, chain: str, key: str) -> None:
        """Read two PEM files.

        Raises:
            OSError: they cannot be read.
            ssl.SSLError: they do not belong together.
        """
        self._chain, self._key = chain, key
        self.renew()

    def renew(self) -> None:
        """Read the files again, for connections from now on; raises like the constructor and then changes nothing."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain, self._key)
        pair = Path(self._key).read_bytes(), Path(self._chain).read_bytes()
        self._context, self._configuration = context, grpc.ssl_server_certificate_configuration([pair])

    def http_context(self) -> ssl.SSLContext:
        """Return what a server speaks TLS with."""

        def choose(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            connection.context = self._context

        first = self._context
        first.sni_callback = choose  # asked in every handshake, also where no name comes
        return first

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return the same for gRPC."""
        return grpc.dynamic_ssl_server_credentials(self._configuration, lambda: self._configuration)
