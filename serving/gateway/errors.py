"""What a client is told when a request cannot be answered: a status and `{"error": "..."}`."""

from __future__ import annotations

from typing import Any

import grpc
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

CLIENT_GONE = 499

_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 503,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}
_CODE = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


class WireError(Exception):
    """A request that is refused; the message says what came, what is allowed and what to do.

    Attributes:
        status: the HTTP status.
        code: the gRPC status.
    """

    def __init__(self, status: int, message: str, code: grpc.StatusCode | None = None) -> None:
        """Take the HTTP status, the message and, where the first does not tell it, the gRPC status."""
        super().__init__(message)
        self.status = status
        self.code = code or _CODE.get(status, grpc.StatusCode.INTERNAL)


def bad(message: str) -> WireError:
    """Return an error for a malformed request."""
    return WireError(400, message)


def from_rpc(error: Any) -> WireError:
    """Translate a gRPC error of Triton's."""
    code = error.code()
    message = error.details() or code.name
    if code is grpc.StatusCode.UNAVAILABLE:
        message = f"Triton does not answer just now; try again in a moment ({message})"
    return WireError(_STATUS.get(code, 500), message, code)


async def answer_wire_error(request: Request, error: Exception) -> Response:
    """Answer a refused request."""
    assert isinstance(error, WireError)
    return _noted(request, error.status, str(error))


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method."""
    assert isinstance(error, HTTPException)
    allowed = ", ".join(_methods(request)) if error.status_code == 405 else ""
    hints = {
        404: f"there is no {request.url.path[:200]!r} here; served are /, /docs, /v1/pipelines, /v2, "
        "/v2/models/NAME/infer and /metrics",
        405: f"{request.method} is not allowed on {request.url.path[:200]!r}; allowed is {allowed}",
    }
    response = _noted(request, error.status_code, hints.get(error.status_code, str(error.detail)))
    if allowed:
        response.headers["Allow"] = allowed
    return response


def _methods(request: Request) -> list[str]:
    """Return every method that the path of a request takes; its routes have some each."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in route.methods or ()})


async def answer_rpc_error(request: Request, error: Exception) -> Response:
    """Answer a request that Triton refused."""
    assert isinstance(error, grpc.RpcError)
    wire_error = from_rpc(error)
    return _noted(request, wire_error.status, str(wire_error))


async def answer_any_error(request: Request, error: Exception) -> Response:
    """Answer when something unforeseen went wrong; the trace is in the gateway's log."""
    return _noted(request, 500, f"the server failed: {type(error).__name__}")


def _noted(request: Request, status: int, message: str) -> JSONResponse:
    """Return an error's answer and leave its message for the access log."""
    request.state.problem = message
    return error_response(status, message)


def error_response(status: int, message: str) -> JSONResponse:
    """Return the answer that tells a client about an error."""
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"error": message}, status, headers)
