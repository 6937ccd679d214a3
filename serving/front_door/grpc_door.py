"""The gRPC door: KServe v2 over gRPC, checked and counted like HTTP, handed on to Triton on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from tritonclient.grpc.service_pb2 import (
    ModelInferRequest,
    ModelStatisticsRequest,
    ModelStreamInferResponse,
    ServerLiveResponse,
)

from serving.door import Door
from serving.front_door.admission import REFUSAL_SECONDS, Slot
from serving.front_door.app import Parts
from serving.front_door.errors import WireError, from_rpc
from serving.front_door.grpc_request import check_infer, parse
from serving.front_door.journal import REQUEST_ID, request_id
from serving.run_state import read_health
from serving.wire import SERVICE

_QUICK_SECONDS = 5.0
_QUESTIONS = ("ServerMetadata", "ModelMetadata", "ModelConfig", "RepositoryIndex")
_READINESS = ("ServerReady", "ModelReady")
_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_OPEN = (_HEALTH_CHECK, f"/{SERVICE}/ServerLive", f"/{SERVICE}/ServerReady")
_NOT_SERVING = b"\x08\x02"  # HealthCheckResponse: status NOT_SERVING
_NOT_READY = b""  # `ready` is left at false
_CALLS_PER_SLOT = 4  # questions beside inferences
Handler = Callable[[bytes, "_Call"], Awaitable[bytes]]


@dataclass(frozen=True)
class _Call:
    """One call that is being answered.

    Attributes:
        path: `/SERVICE/METHOD`.
        ident: id of its request.
        context: gRPC's own context.
    """

    path: str
    ident: str
    context: Any

    @property
    def method(self) -> str:
        """The method's name."""
        return self.path.rpartition("/")[2]


def make_grpc_server(parts: Parts) -> grpc.aio.Server:
    """Return a server without a port; its limits are those of the HTTP door."""
    return grpc.aio.server(
        handlers=[_Door(parts)],
        maximum_concurrent_rpcs=_CALLS_PER_SLOT * parts.limits.concurrent,
        options=[
            ("grpc.max_receive_message_length", parts.limits.body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", 16 << 10),
        ],
    )


def open_port(server: grpc.aio.Server, target: str, door: Door) -> None:
    """Give a server its port, with TLS if the door has a certificate."""
    if door.tls_cert is None or door.tls_key is None:
        server.add_insecure_port(target)
        return
    pair = (Path(door.tls_key).read_bytes(), Path(door.tls_cert).read_bytes())
    server.add_secure_port(target, grpc.ssl_server_credentials([pair]))


class _Door(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every method there is, by name."""

    def __init__(self, parts: Parts) -> None:
        """Take what both doors share."""
        self._parts = parts

    def service(self, details: Any) -> Any:
        """Return the handler of a method."""
        service, _, method = details.method.rpartition("/")
        if details.method == _HEALTH_CHECK:
            return self._unary(details, self._ready)
        if service != f"/{SERVICE}":
            return None
        if method == "ModelStreamInfer":
            return grpc.stream_stream_rpc_method_handler(partial(self._stream, details))
        handlers: dict[str, Handler] = {
            "ModelInfer": self._infer,
            "ServerLive": self._live,
            "ModelStatistics": self._statistics,
            **dict.fromkeys(_READINESS, self._ready),
            **dict.fromkeys(_QUESTIONS, self._ask),
        }
        return self._unary(details, handlers.get(method, self._refuse))

    def _unary(self, details: Any, handler: Handler) -> Any:
        """Return a handler that journals the call and turns errors into statuses."""
        metadata = _metadata(details)
        ident = request_id(metadata.get(REQUEST_ID.lower()))

        async def answer(data: bytes, context: Any) -> bytes:
            call = _Call(details.method, ident, context)
            began = self._parts.journal.began("grpc", metadata)
            status, problem = "CANCELLED", None
            try:
                if details.method not in _OPEN:
                    self._parts.guard.check(metadata)
                reply = await handler(data, call)
                status = "OK"
                context.set_trailing_metadata(((REQUEST_ID.lower(), ident),))
                return reply
            except (WireError, grpc.RpcError) as error:
                status, problem = _as_status(error)
                await context.abort(grpc.StatusCode[status], problem, ((REQUEST_ID.lower(), ident),))
                raise AssertionError("abort always raises") from None
            finally:
                more = {"request_id": ident, "client": context.peer(), "bytes_in": len(data), "problem": problem}
                self._parts.journal.ended("grpc", call.method, status, began, **more)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _infer(self, data: bytes, call: _Call) -> bytes:
        """Check one inference and hand it on with the time that its client has left."""
        await self._pause_if_stopping()
        slot = self._parts.admission.take()
        call.context.add_done_callback(lambda _: slot.let_go())  # when the answer is sent, not before
        return await self._infer_in(slot, data, call)

    async def _infer_in(self, slot: Slot, data: bytes, call: _Call) -> bytes:
        """The same for a request that has its place."""
        limits, upstream = self._parts.limits, self._parts.upstream
        slot.grow(len(data))
        request = parse(data, ModelInferRequest)
        check_infer(request, await upstream.wire(request.model_name, request.model_version), limits)
        left = call.context.time_remaining()
        seconds = limits.infer_seconds if left is None else min(left, limits.infer_seconds)
        return await upstream.infer(request, seconds, slot)

    async def _pause_if_stopping(self) -> None:
        """While the server stops, let who will be refused wait a little: a client's next try comes at once."""
        if self._parts.admission.closed:
            await asyncio.sleep(REFUSAL_SECONDS)

    async def _stream(self, details: Any, requests: Any, context: Any) -> Any:
        """Answer the inferences of a stream one after the other; an error ends its own inference only."""
        try:
            self._parts.guard.check(_metadata(details))
        except WireError as error:
            await context.abort(error.code, str(error))
        async for data in requests:
            with ExitStack() as place:
                yield await self._reply(data, _Call(details.method, "", context), place)

    async def _reply(self, data: bytes, call: _Call, place: ExitStack) -> bytes:
        """Answer one inference of a stream; its place is given back with `place`, when the answer is sent."""
        began, status = self._parts.journal.began("grpc", {}), "OK"
        reply = ModelStreamInferResponse()
        try:
            await self._pause_if_stopping()
            slot = place.enter_context(self._parts.admission.slot())
            reply.infer_response.MergeFromString(await self._infer_in(slot, data, call))
        except (WireError, grpc.RpcError) as error:
            status, reply.error_message = _as_status(error)
        finally:
            self._parts.journal.ended("grpc", call.method, status, began, client=call.context.peer())
        return bytes(reply.SerializeToString())

    async def _live(self, _: bytes, __: _Call) -> bytes:
        """Whether this process answers."""
        return bytes(ServerLiveResponse(live=True).SerializeToString())

    async def _ready(self, data: bytes, call: _Call) -> bytes:
        """Whether the supervisor and Triton call the server or a model ready."""
        if self._parts.admission.closed or not read_health(self._parts.state).ready:
            return _NOT_SERVING if call.path == _HEALTH_CHECK else _NOT_READY
        return await self._ask(data, call)

    async def _ask(self, data: bytes, call: _Call) -> bytes:
        """Hand a question on."""
        return await self._parts.upstream.raw(call.path, data, _QUICK_SECONDS)

    async def _statistics(self, data: bytes, _: _Call) -> bytes:
        """The statistics of one model, or of all."""
        request = parse(data, ModelStatisticsRequest)
        return bytes((await self._parts.upstream.statistics(request.name, request.version)).SerializeToString())

    async def _refuse(self, _: bytes, call: _Call) -> bytes:
        """Refuse what changes the server."""
        raise WireError(403, f"{call.method} is restricted: this server takes questions and inferences only")


def _metadata(details: Any) -> dict[str, str]:
    """Return what a call carries beside its message, without binary values."""
    return {key: value for key, value in details.invocation_metadata if isinstance(value, str)}


def _as_status(error: Exception) -> tuple[str, str]:
    """Return the name of a gRPC status and a message."""
    wire_error = error if isinstance(error, WireError) else from_rpc(error)
    return wire_error.code.name, str(wire_error)
