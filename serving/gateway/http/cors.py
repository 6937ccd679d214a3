"""Pages of other origins: which of them a browser lets read the answers of this server (CORS)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from crosswire.serving.gateway.access_log import REQUEST_ID
from crosswire.serving.gateway.api_keys import API_KEY
from crosswire.serving.gateway.http.infer_request import HEADER_LENGTH

_SENT = ("Authorization", "Content-Encoding", API_KEY, HEADER_LENGTH, REQUEST_ID, "traceparent", "tracestate")
_READ = (HEADER_LENGTH, REQUEST_ID, "Retry-After")


def with_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return an application whose answers the pages of some origins may read; itself for none.

    A browser asks beforehand, by `OPTIONS` and without a key, and is answered before keys are asked for.

    Args:
        app: the application.
        origins: such as `https://example.org`, or `*` for all.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=_SENT,
        expose_headers=_READ,
    )
