"""What is remembered of every request: an id that travels both ways, one line of JSON, and the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import re
import select
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crosswire.serving.gateway.errors import CLIENT_GONE
from crosswire.serving.gateway.metrics import Metrics
from crosswire.serving.gateway.tracing import NoTracing, Traced

REQUEST_ID = "X-Request-Id"
_OF_MODELS = ("/v2/models/{name}", "/v1/pipelines/{name}")
_NAME_CHARACTERS = 256
_MOST_WAITING_BYTES = 64 << 10
_GOOD_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(frozen=True)
class AccessLogEntry:
    """A request that is being answered: when it came (monotonic seconds), and its trace."""

    came: float
    traced: Traced | None


class _Lines:
    """Writes lines without waiting for whoever reads them: a collector that hangs must not cost an answer.

    What cannot be written waits for the next line; what is too much is left out, and counted.
    """

    def __init__(self, descriptor: int) -> None:
        """Take where to write."""
        self._descriptor, self._room = descriptor, select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._waiting, self._left_out = bytearray(), 0

    def write(self, line: str) -> None:
        """Write a line, or keep it for later."""
        self._flush()
        if len(self._waiting) > _MOST_WAITING_BYTES:
            self._left_out += 1
            return
        if self._left_out:
            self._waiting += b'{"left_out": %d}\n' % self._left_out
            self._left_out = 0
        self._waiting += f"{line}\n".encode("utf-8", "replace")
        self._flush()

    def _flush(self) -> None:
        """Write what can be written at once."""
        with contextlib.suppress(OSError):  # a full disk, or nobody reads any more
            while self._waiting and self._can_take():
                written = os.write(self._descriptor, self._waiting[: select.PIPE_BUF])
                del self._waiting[:written]

    def _can_take(self) -> bool:
        """Say whether so many bytes as a pipe takes at once are taken now."""
        return any(event & select.POLLOUT for _, event in self._room.poll(0))


class AccessLog:
    """Counts every request, traces it and writes one line of JSON about it, as far as that is asked for."""

    def __init__(self, metrics: Metrics, log: int | None, tracing: NoTracing) -> None:
        """Take the metrics, the descriptor to write to, and where traces go."""
        self._metrics, self._tracing = metrics, tracing
        self._log = None if log is None else _Lines(log)

    def began(self, protocol: str, headers: Mapping[str, str]) -> AccessLogEntry:
        """Note that a request came, with these headers or this gRPC metadata."""
        self._metrics.began(protocol)
        return AccessLogEntry(time.monotonic(), self._tracing.start(protocol, headers))

    def ended(self, protocol: str, route: str, status: str, entry: AccessLogEntry, **more: Any) -> None:
        """Note that it was answered; `more` goes into line and trace, without what is None."""
        seconds = time.monotonic() - entry.came
        self._metrics.ended(protocol, route, status, seconds)
        self._tracing.end(entry.traced, f"{more.get('method', protocol)} {route}", status, more)
        if self._log is not None:
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
            line = {"time": now, "protocol": protocol, "route": route, "status": status, "ms": round(seconds * 1e3, 1)}
            given = {key: value for key, value in more.items() if value is not None}
            self._log.write(json.dumps({**line, **given}, ensure_ascii=False))


def request_id(given: str | None) -> str:
    """Return the id that a client gave, or a new one if it gave none that is fit for a log."""
    return given if given and _GOOD_ID.fullmatch(given) else uuid.uuid4().hex


def _model(scope: Scope) -> str | None:
    """Return the model or pipeline that the path of a request names, if its route has one."""
    named = getattr(scope.get("route"), "path", "").startswith(_OF_MODELS)
    return str(scope["path_params"]["name"])[:_NAME_CHARACTERS] if named else None


def _nothing() -> None:
    """Give back no place, for a request that took none."""


class AccessLogged:
    """ASGI middleware: gives every HTTP request its id, logs it and gives back the place it took."""

    def __init__(self, app: ASGIApp, access_log: AccessLog) -> None:
        """Take the application and the access log."""
        self._app, self._access_log = app, access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        ident = request_id(headers.get(REQUEST_ID))
        scope.setdefault("state", {})["request_id"] = ident
        status, size, sent, over = 500, 0, False, False
        began = self._access_log.began("http", headers)

        def enter() -> None:
            nonlocal over
            over = True
            self._access_log.ended(
                "http",
                getattr(scope.get("route"), "path", "none"),
                str(status),
                began,
                request_id=ident,
                method=scope["method"],
                path=scope["path"][:200],
                model=_model(scope),
                client=(scope.get("client") or (None,))[0],
                bytes_in=headers.get("content-length"),
                bytes_out=size,
                problem=scope["state"].get("problem"),
            )

        async def note(message: Message) -> None:
            nonlocal status, size, sent
            if message["type"] == "http.response.start":
                status, sent = message["status"], True
                MutableHeaders(scope=message)[REQUEST_ID] = ident
            else:
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    enter()  # before the client has its answer, so that who asks for the metrics next finds it there
            await send(message)

        try:
            await self._app(scope, receive, note)
        except asyncio.CancelledError:
            status = status if sent else CLIENT_GONE
            raise
        finally:
            scope["state"].get("answered", _nothing)()
            if not over:
                enter()
