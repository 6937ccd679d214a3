"""API keys: every request carries one, where the server asks for any, but a question about health or for the page."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from crosswire.serving.gateway.errors import WireError, error_response
from crosswire.serving.gateway.http.bodies import discard
from crosswire.serving.gateway.options import hash_of

API_KEY = "x-api-key"
_OPEN_PATHS = frozenset(("/", "/v2/health/live", "/v2/health/ready"))
_OPEN_FOLDER = "/page/"  # the same files on every server; the page asks its user for the key
_CHALLENGE = 'Bearer realm="crosswire"'
_HOW = f"send one as `Authorization: Bearer KEY` or `{API_KEY}: KEY`"


class Guard:
    """Knows the hashes of the keys; with none, everybody may come in."""

    def __init__(self, key_hashes: tuple[str, ...]) -> None:
        """Take the SHA-256 of every key, hexadecimal."""
        self._hashes = key_hashes

    def renew(self, key_hashes: tuple[str, ...]) -> None:
        """Take other keys in their place."""
        self._hashes = key_hashes

    @property
    def asks(self) -> bool:
        """Whether anybody needs a key."""
        return bool(self._hashes)

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request in.

        Args:
            headers: HTTP headers or gRPC metadata, with lower-case names.

        Raises:
            WireError: 401, it carries no key or another one.
        """
        if not self.asks:
            return
        key = _key(headers)
        if not key:
            raise WireError(401, f"this server asks for an API key; {_HOW}")
        found = hash_of(key)
        if not any([hmac.compare_digest(found, known) for known in self._hashes]):
            raise WireError(401, f"this API key is not known here; {_HOW}")


def _key(headers: Mapping[str, str]) -> str:
    """Return the key that a request carries, or an empty text."""
    kind, _, rest = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    return headers.get(API_KEY, "")


def _is_open(path: str) -> bool:
    """Say whether a path is for everybody."""
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER)


class Guarded:
    """ASGI middleware: asks every HTTP request for a key."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        """Take the application and who knows the keys."""
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            try:
                self._guard.check(Headers(scope=scope))
            except WireError as error:
                scope["state"]["problem"] = str(error)
                await discard(Request(scope, receive))
                answer = error_response(error.status, str(error))
                answer.headers["WWW-Authenticate"] = _CHALLENGE
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
