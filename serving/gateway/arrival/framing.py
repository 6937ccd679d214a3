"""Refusing requests whose end is said twice: a proxy before this server may believe the other one."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from crosswire.serving.gateway.errors import WireError, answer_wire_error


class Framed:
    """ASGI middleware: a request has either a length or chunks, or its connection ends.

    With both, h11 believes the chunks, as HTTP says; whoever believes the length takes a part of this body for the next
    request of its connection, which may be another client's. Lengths that are no number, and two that differ, h11
    refuses itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Take the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        problem = _problem(scope) if scope["type"] == "http" else ""
        if not problem:
            await self._app(scope, receive, send)
            return
        response = await answer_wire_error(Request(scope), WireError(400, problem))
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


def _problem(scope: Scope) -> str:
    """Say what is wrong with a request's framing; an empty text if nothing is."""
    headers = Headers(scope=scope)
    if "transfer-encoding" not in headers:
        return ""
    if "content-length" in headers:
        return "got Content-Length and Transfer-Encoding, expected one of them, try the request without the other"
    if scope["http_version"] == "1.0":
        return "got Transfer-Encoding in HTTP/1.0, which has none, expected Content-Length, try HTTP/1.1"
    return ""
