"""Everything but inference: health, metadata, configuration, statistics, the repository's index and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.api_keys import Guard
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.errors import error_response
from crosswire.serving.gateway.http.bodies import read_body
from crosswire.serving.gateway.http.json_text import parse_object
from crosswire.serving.gateway.metrics import Metrics
from crosswire.serving.gateway.plain import to_plain
from crosswire.serving.gateway.rest.docs_page import POLICY, docs_page
from crosswire.serving.gateway.rest.openapi import openapi
from crosswire.serving.gateway.upstream import Upstream
from crosswire.serving.processes.run_state import read_health

_SMALL_BODY = RequestLimits(body_bytes=64 << 10, json_bytes=64 << 10, read_seconds=10.0)


class DescribeEndpoints:
    """Endpoints that describe the server and its models."""

    def __init__(self, upstream: Upstream, state: Path, metrics: Metrics, guard: Guard, arrivals: Arrivals) -> None:
        """Take the connection to Triton, the run-state folder, the metrics, the guard and what has not come whole."""
        self._upstream, self._state, self._metrics, self._guard = upstream, state, metrics, guard
        self._arrivals = arrivals

    async def live(self, _: Request) -> Response:
        """Whether this process answers."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """Whether Triton is ready and the last probe of every pipeline passed."""
        return _readiness(await self._unready_reason(), {})

    async def model_ready(self, request: Request) -> Response:
        """The same for one model."""
        name, version = await self._model(request)
        reason = await self._unready_reason()
        if not reason and not await self._upstream.model_ready(name, version):
            reason = f"model {name!r} is not ready"
        return _readiness(reason, {"name": name})

    async def server(self, _: Request) -> Response:
        """The server's name, version and the extensions that work through this gateway."""
        return JSONResponse(to_plain(await self._upstream.server_metadata()))

    async def model(self, request: Request) -> Response:
        """A model's tensors."""
        metadata = to_plain(await self._upstream.model_metadata(*await self._model(request)))
        keys = ("name", "versions", "platform", "inputs", "outputs")
        return JSONResponse({key: metadata[key] for key in keys})

    async def config(self, request: Request) -> Response:
        """A model's configuration; `parameters.crosswire` holds the public part of its contract."""
        return JSONResponse(to_plain(await self._upstream.config(*await self._model(request))))

    async def statistics(self, request: Request) -> Response:
        """The statistics of one model or step, or of all models."""
        name, version = (request.path_params.get(key, "") for key in ("name", "version"))
        return JSONResponse(to_plain(await self._upstream.statistics(name, version)))

    async def index(self, request: Request) -> Response:
        """The models in the repository; a body `{"ready": true}` leaves out those that are not ready."""
        body = await read_body(request, _SMALL_BODY, self._arrivals)
        options: dict[str, Any] = parse_object(body, _SMALL_BODY) if body.strip() else {}
        answer = await self._upstream.index(bool(options.get("ready", False)))
        return JSONResponse([to_plain(model) for model in answer.models])

    async def metrics(self, _: Request) -> Response:
        """Triton's metrics with what steps tell themselves, then ours; while Triton is down, ours alone."""
        tritons = await self._upstream.metrics()
        return Response(tritons + self._metrics.text(read_health(self._state)), media_type="text/plain; version=0.0.4")

    async def openapi(self, _: Request) -> Response:
        """The OpenAPI document."""
        metadata = await self._upstream.server_metadata()
        return JSONResponse(openapi(await self._upstream.forms(), metadata.version, keys=self._guard.asks))

    async def docs(self, request: Request) -> Response:
        """A page to try the pipelines on."""
        page = docs_page(await self._upstream.forms(), str(request.base_url).rstrip("/"))
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def _model(self, request: Request) -> tuple[str, str]:
        """Return name and version of the model asked about, after checking that it exists."""
        name, version = request.path_params["name"], request.path_params.get("version", "")
        await self._upstream.config(name, version)
        return name, version

    async def _unready_reason(self) -> str:
        """Say why the server is not ready; an empty string if it is."""
        health = read_health(self._state)
        if not health.ready:
            return health.reason
        return "" if await self._upstream.server_ready() else "Triton is not ready"


def _readiness(reason: str, of: dict[str, str]) -> Response:
    """Return 200 with the body that KServe's own client reads and Triton leaves out, or 503 with the reason.

    Args:
        reason: why it is not ready, or an empty text.
        of: what is asked about.
    """
    return error_response(503, reason) if reason else JSONResponse({**of, "ready": True})
