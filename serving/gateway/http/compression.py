"""Compressed bodies: gzip and deflate are expanded within the limits, answers compressed for whoever asks for that."""

from __future__ import annotations

from collections.abc import Iterator

from isal import isal_zlib
from starlette.responses import Response

from crosswire.serving.gateway.errors import WireError, bad

_PIECE = 1 << 20  # bytes that are expanded at a time
_GZIP_OR_ZLIB = 47  # window bits that tell the decoder to look which it is
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_LEVEL = 1


class Expander:
    """One compressed body, expanded piece by piece, so that one that would become huge is noticed on its way."""

    def __init__(self) -> None:
        """Begin."""
        self._stream = isal_zlib.decompressobj(_GZIP_OR_ZLIB)

    def expand(self, part: bytes) -> Iterator[bytes]:
        """Yield what a part of the body becomes, in pieces of at most 1 MiB.

        Raises:
            WireError: 400, it is not compressed as it says, or goes on behind its end.
        """
        while part or not self._stream.eof:
            try:
                piece = self._stream.decompress(part, _PIECE)
            except isal_zlib.error as error:  # type: ignore[misc]  # its stubs say less than it is
                raise bad(
                    f"the body cannot be expanded: {error}; send gzip, or deflate with the frame of zlib"
                ) from None
            if self._stream.unused_data:
                raise bad("the body goes on behind the end of its compressed data; send all of it as one stream")
            part = self._stream.unconsumed_tail
            if piece:
                yield piece
            if not part and len(piece) < _PIECE:
                return

    def finish(self) -> None:
        """Raise `WireError` unless the body came to its end."""
        if not self._stream.eof:
            raise bad("the compressed body ends too early; send all of it")


def expander(encoding: str) -> Expander | None:
    """Return what expands a body, None for one that is as it is.

    Args:
        encoding: its `Content-Encoding`, an empty text for none.

    Raises:
        WireError: 415, it is neither gzip nor deflate.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _WINDOW_BITS:
        raise WireError(
            415, f"got Content-Encoding {encoding[:40]!r}, expected gzip, deflate or none, try one of these"
        )
    return Expander()


def compress(response: Response, accept: str) -> Response:
    """Return an answer, compressed if that makes it shorter and its client asks for it by `Accept-Encoding`."""
    encoding = _preferred(accept)
    if encoding is None:
        return response
    body = isal_zlib.compress(response.body, _LEVEL, _WINDOW_BITS[encoding])
    if len(body) < len(response.body):
        response.body = body
        response.headers["Content-Encoding"], response.headers["Content-Length"] = encoding, str(len(body))
    return response


def _preferred(accept: str) -> str | None:
    """Return the encoding of the highest weight, the first of equal ones; None for none, as Triton chooses."""
    best, most = None, 0.0
    for part in accept.lower().split(","):
        name, _, weight = part.partition(";")
        name = name.strip()
        quality = _quality(weight)
        if quality > most and (name in _WINDOW_BITS or name == "identity"):
            best, most = (None if name == "identity" else name), quality
    return best


def _quality(text: str) -> float:
    """Return the weight of one encoding, 1 if it gives none, 0 if that cannot be read."""
    key, _, value = text.partition("=")
    if not key.strip():
        return 1.0
    try:
        return float(value) if key.strip() == "q" else 0.0
    except ValueError:
        return 0.0
