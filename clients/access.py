"""API key and certificates of a client."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.clients.errors import InputError

VARIABLE = "CROSSWIRE_API_KEY"


@dataclass(frozen=True)
class Access:
    """How a client identifies itself to a server, and whom it trusts.

    Attributes:
        api_key: sent with every request, or an empty text; it is shown nowhere.
        ca: PEM file of certificates to trust with `grpcs://` and `https://`, or None for those of this machine.
    """

    api_key: str = field(default="", repr=False)
    ca: Path | None = None

    @classmethod
    def of(cls, api_key: str | None = None, ca: str | os.PathLike[str] | None = None) -> Access:
        """Return the access for a key, by default from the variable `CROSSWIRE_API_KEY`, and a file of certificates.

        Raises:
            InputError: the key cannot travel in a header, or the file cannot be used.
        """
        key = os.environ.get(VARIABLE, "") if api_key is None else api_key
        if not (key.isascii() and key.isprintable()) or key != key.strip():
            raise InputError("the API key holds more than printable ASCII characters; copy it again")
        if ca is not None:
            try:
                ssl.create_default_context(cafile=os.fspath(ca))
            except (OSError, ssl.SSLError) as error:
                raise InputError(
                    f"{os.fspath(ca)} cannot be used as certificates ({error}); name a PEM file"
                ) from error
        return cls(key, None if ca is None else Path(ca))

    @property
    def headers(self) -> dict[str, str]:
        """Headers, or gRPC metadata, of every request."""
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken over HTTP."""
        return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
