"""The gateway's paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.access_log import AccessLog, AccessLogged
from crosswire.serving.gateway.admission import Admission
from crosswire.serving.gateway.api_keys import Guard, Guarded
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.arrival.framing import Framed
from crosswire.serving.gateway.errors import (
    WireError,
    answer_any_error,
    answer_http_exception,
    answer_rpc_error,
    answer_wire_error,
)
from crosswire.serving.gateway.http.cors import with_origins
from crosswire.serving.gateway.http.describe import DescribeEndpoints
from crosswire.serving.gateway.http.infer import InferEndpoint
from crosswire.serving.gateway.http.static_page import StaticPage
from crosswire.serving.gateway.metrics import Metrics
from crosswire.serving.gateway.rest.endpoints import RestEndpoints
from crosswire.serving.gateway.upstream import Upstream

_MODEL = "/v2/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"


@dataclass(frozen=True)
class Parts:
    """What HTTP and gRPC share.

    Attributes:
        upstream: the connection to Triton.
        state: the run-state folder of the server behind it.
        limits: what a request may hold.
        admission: how many requests are held.
        arrivals: what has not come whole.
        metrics: what is counted.
        access_log: what is remembered of requests.
        guard: who may come in.
    """

    upstream: Upstream
    state: Path
    limits: RequestLimits
    admission: Admission
    arrivals: Arrivals
    metrics: Metrics
    access_log: AccessLog
    guard: Guard


def make_app(parts: Parts, cors_origins: Sequence[str] = ()) -> ASGIApp:
    """Return the HTTP application, whose answers pages of some other origins may read."""
    app = Starlette(
        routes=_routes(parts),
        exception_handlers={
            WireError: answer_wire_error,
            HTTPException: answer_http_exception,
            grpc.RpcError: answer_rpc_error,
            Exception: answer_any_error,
        },
    )
    return AccessLogged(Framed(with_origins(Guarded(app, parts.guard), cors_origins)), parts.access_log)


def _routes(parts: Parts) -> list[Route]:
    """Return every path with its endpoint."""
    describe = DescribeEndpoints(parts.upstream, parts.state, parts.metrics, parts.guard, parts.arrivals)
    infer = InferEndpoint(parts.upstream, parts.admission, parts.arrivals)
    rest = RestEndpoints(parts.upstream, parts.admission, parts.arrivals, parts.state)
    page = StaticPage()
    routes = [
        Route("/", page.index),
        Route("/page/{name:path}", page.file),
        Route("/v2", describe.server),
        Route("/v2/health/live", describe.live),
        Route("/v2/health/ready", describe.ready),
        Route("/v2/models/stats", describe.statistics),
        Route("/v2/repository/index", describe.index, methods=["POST"]),
        Route("/metrics", describe.metrics),
        Route("/openapi.json", describe.openapi),
        Route("/docs", describe.docs),
        Route("/v1/pipelines", rest.pipelines),
        Route("/v1/pipelines/{name}", rest.pipeline, methods=["GET"]),
        Route("/v1/pipelines/{name}", rest.predict, methods=["POST"]),
    ]
    for model in (_MODEL, _VERSION):
        routes += [
            Route(model, describe.model),
            Route(f"{model}/ready", describe.model_ready),
            Route(f"{model}/config", describe.config),
            Route(f"{model}/stats", describe.statistics),
            Route(f"{model}/infer", infer.__call__, methods=["POST"]),
        ]
    return routes
