"""The gateway's gRPC side: KServe v2 over gRPC, checked and counted like HTTP, handed on to Triton on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tritonclient.grpc.service_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelStatisticsRequest,
    ModelStreamInferResponse,
    ServerLiveResponse,
)

from crosswire.serving.gateway.access_log import REQUEST_ID, AccessLogEntry, request_id
from crosswire.serving.gateway.admission import REFUSAL_SECONDS, Slot
from crosswire.serving.gateway.certificate import Certificate
from crosswire.serving.gateway.errors import WireError, bad, from_rpc
from crosswire.serving.gateway.grpc.health_watch import watch
from crosswire.serving.gateway.grpc.message_arrival import whole_message
from crosswire.serving.gateway.grpc.reflection import REFLECTION_PATHS, reflect
from crosswire.serving.gateway.grpc.request import check_infer, model_named, parse, request_ident, take_classes
from crosswire.serving.gateway.http.app import Parts
from crosswire.serving.gateway.model_wire import ModelWire
from crosswire.serving.gateway.tensors.classification import classify
from crosswire.serving.processes.run_state import read_health
from crosswire.serving.wire import SERVICE

_QUICK_SECONDS = 5.0
_MANAGEMENT_CALLS = ("ModelMetadata", "ModelConfig", "RepositoryIndex")
_READINESS = ("ServerReady", "ModelReady")
_STREAM = "ModelStreamInfer"
_HEALTH_CHECK, _HEALTH_WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
_NAMING = frozenset(
    ("ModelInfer", _STREAM, "ModelMetadata", "ModelConfig", "ModelReady", "ModelStatistics")
)  # whose messages begin with the name of a model
_OPEN = (_HEALTH_CHECK, f"/{SERVICE}/ServerLive", f"/{SERVICE}/ServerReady")
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"  # HealthCheckResponse
_BESIDE = (_HEALTH_CHECK, _HEALTH_WATCH, *REFLECTION_PATHS)
_NOT_READY = b""  # `ready` is left at false
_CALLS_PER_SLOT = 4  # management calls and streams beside inferences
_MANAGEMENT_BYTES = 64 << 10
_UNKNOWN = "none"  # the route of a method that there is not, so that inventing names makes no new metrics
Handler = Callable[[bytes, "_Call"], Awaitable[bytes]]


@dataclass(frozen=True)
class _Call:
    """One call that is being answered.

    Attributes:
        path: `/SERVICE/METHOD`.
        context: gRPC's own context.
        said: what the access log is to know of it.
    """

    path: str
    context: Any
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The method's name."""
        return self.path.rpartition("/")[2]


def make_grpc_server(parts: Parts) -> grpc.aio.Server:
    """Return a server without a port; its limits are those of HTTP."""
    return grpc.aio.server(
        handlers=[_Service(parts)],
        options=[
            ("grpc.max_concurrent_streams", _CALLS_PER_SLOT * parts.limits.concurrent),  # of one connection
            ("grpc.server_handshake_timeout_ms", int(parts.limits.header_seconds * 1000)),
            ("grpc.max_receive_message_length", parts.limits.body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", 16 << 10),
            ("grpc.keepalive_time_ms", 60_000),  # a client that vanished gives back its streams
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ],
    )


def open_port(server: grpc.aio.Server, target: str, certificate: Certificate | None) -> None:
    """Give a server its port, with TLS if there is a certificate."""
    if certificate is None:
        server.add_insecure_port(target)
    else:
        server.add_secure_port(target, certificate.grpc_credentials())


class _Service(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every method there is, by name."""

    def __init__(self, parts: Parts) -> None:
        """Take what HTTP and gRPC share."""
        self._parts = parts
        self._streams = 0
        self._calls = 0
        self._handlers: dict[str, Handler] = {
            "ModelInfer": self._infer,
            "ServerLive": self._live,
            "ServerMetadata": self._server,
            "ModelStatistics": self._statistics,
            **dict.fromkeys(_READINESS, self._ready),
            **dict.fromkeys(_MANAGEMENT_CALLS, self._ask),
        }

    def service(self, details: Any) -> Any:
        """Return the handler of a method; who has no key is refused before a message is read."""
        service, _, method = details.method.rpartition("/")
        if details.method == _HEALTH_CHECK:
            return self._unary(details, self._ready)
        if details.method == _HEALTH_WATCH:
            return grpc.unary_stream_rpc_method_handler(partial(self._watch, details))
        if service != f"/{SERVICE}" and details.method not in REFLECTION_PATHS:
            return None
        if details.method not in _OPEN:
            try:
                self._parts.guard.check(_metadata(details))
            except WireError as error:
                return self._closed(details, error)
        if details.method in REFLECTION_PATHS:
            return grpc.stream_stream_rpc_method_handler(partial(self._reflect, details))
        if method == _STREAM:
            return grpc.stream_stream_rpc_method_handler(partial(self._stream, details))
        return self._unary(details, self._handlers.get(method, self._refuse))

    def _unary(self, details: Any, handler: Handler) -> Any:
        """Return a handler that logs the call and turns errors into statuses."""
        metadata = _metadata(details)
        ident = request_id(metadata.get(REQUEST_ID.lower()))

        async def answer(messages: Any, context: Any) -> bytes:
            began = self._parts.access_log.began("grpc", metadata)
            call, data = _Call(details.method, context, {"request_id": ident}), b""
            status, problem = "CANCELLED", None
            try:
                data = await whole_message(messages, context.peer(), self._parts.arrivals)
                call.said.update(self._named(details.method, data))
                with self._counted():
                    reply = await handler(data, call)
                status = "OK"
                context.set_trailing_metadata(((REQUEST_ID.lower(), ident),))
                return reply
            except (WireError, grpc.RpcError) as error:
                status, problem = _as_status(error)
            finally:  # before the client has its answer, so that who asks for the metrics next finds it there
                self._note(call, status, began, len(data), problem)
            await context.abort(grpc.StatusCode[status], problem, ((REQUEST_ID.lower(), ident),))
            raise AssertionError("abort always raises")

        return grpc.stream_unary_rpc_method_handler(answer)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a call whose message is there for as long as a block runs; raises `WireError` if there are too many."""
        most = _CALLS_PER_SLOT * self._parts.limits.concurrent
        if self._calls >= most:
            problem = f"{self._calls} calls are being answered, no more are taken; try again in a moment"
            raise WireError(503, problem, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    def _closed(self, details: Any, error: WireError) -> Any:
        """Return a handler that refuses a call, whatever it sends."""
        metadata = _metadata(details)
        ident = request_id(metadata.get(REQUEST_ID.lower()))

        async def refuse(_: Any, context: Any) -> bytes:
            began = self._parts.access_log.began("grpc", metadata)
            status, problem = _as_status(error)
            self._note(_Call(details.method, context, {"request_id": ident}), status, began, 0, problem)
            await context.abort(grpc.StatusCode[status], problem, ((REQUEST_ID.lower(), ident),))
            raise AssertionError("abort always raises")

        return grpc.stream_unary_rpc_method_handler(refuse)

    def _named(self, path: str, data: bytes) -> dict[str, Any]:
        """Return the model that a message names, for the access log, whether the call is then answered or refused."""
        named = path.rpartition("/")[2] in _NAMING and model_named(data, self._parts.limits.name_characters)
        return {"model": named} if named else {}

    def _note(self, call: _Call, status: str, began: AccessLogEntry, size: int, problem: str | None) -> None:
        """Enter a call's end in the access log."""
        more = {**call.said, "client": call.context.peer(), "bytes_in": size, "problem": problem}
        known = call.method in (*self._handlers, _STREAM) or call.path in _BESIDE
        self._parts.access_log.ended("grpc", call.method if known else _UNKNOWN, status, began, **more)

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
        request = parse(data, ModelInferRequest, limits.body_bytes)
        call.said["id"] = request.id[: limits.name_characters] or None
        wire = await upstream.wire(request.model_name, request.model_version)
        check_infer(request, wire, limits)
        classes = take_classes(request, wire)
        left = call.context.time_remaining()
        seconds = limits.infer_seconds if left is None else min(left, limits.infer_seconds)
        answer = await upstream.infer(request, seconds, slot)
        return await asyncio.to_thread(_classified, answer, classes, wire) if classes else answer

    async def _pause_if_stopping(self) -> None:
        """While the server stops, let who will be refused wait a little: a client's next try comes at once."""
        if self._parts.admission.closed:
            await asyncio.sleep(REFUSAL_SECONDS)

    async def _open_stream(self, details: Any, context: Any) -> None:
        """Count one more stream, or end it because there are too many."""
        if self._streams >= self._parts.limits.concurrent:
            problem = f"{self._streams} streams are open, no more are taken; close some"
            await self._end_stream(details, context, grpc.StatusCode.RESOURCE_EXHAUSTED, problem)
        self._streams += 1

    async def _watch(self, details: Any, _: bytes, context: Any) -> Any:
        """Tell whether the server is ready, and again whenever that changes; of which service is all the same."""
        await self._open_stream(details, context)
        try:
            self._note_opened(details, context)
            async for status in watch(self._health):
                yield status
        finally:
            self._streams -= 1

    async def _health(self) -> bytes:
        """Return what a health check is answered just now."""
        ready = not self._parts.admission.closed and read_health(self._parts.state).ready
        return _SERVING if ready and await self._parts.upstream.server_ready() else _NOT_SERVING

    async def _reflect(self, details: Any, requests: Any, context: Any) -> Any:
        """Tell tools of services and messages."""
        await self._open_stream(details, context)
        try:
            self._note_opened(details, context)
            async for answer in reflect(self._timely(requests), context):
                yield answer
        except asyncio.TimeoutError:
            return
        except (DecodeError, WireError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the question cannot be read: {error}; send another")
        finally:
            self._streams -= 1

    async def _timely(self, requests: Any) -> Any:
        """Yield the small messages of a stream, until the longest silence is over."""
        coming = aiter(requests)
        while True:
            try:
                data = await asyncio.wait_for(anext(coming), self._parts.limits.stream_seconds)
            except StopAsyncIteration:
                return
            _check_management_call(data)
            yield data

    def _note_opened(self, details: Any, context: Any) -> None:
        """Enter a stream that is no inference's into the access log; it may stay open for as long as both live."""
        call = _Call(details.method, context)
        self._note(call, "OK", self._parts.access_log.began("grpc", _metadata(details)), 0, None)

    async def _stream(self, details: Any, requests: Any, context: Any) -> Any:
        """Answer the inferences of a stream one after the other; an error ends its own inference only."""
        limits, metadata = self._parts.limits, _metadata(details)
        await self._open_stream(details, context)
        coming, said = aiter(requests), {}
        try:
            while True:
                data = await asyncio.wait_for(anext(coming), limits.stream_seconds)
                said = self._named(details.method, data)
                with ExitStack() as place:
                    yield await self._reply(data, metadata, _Call(details.method, context, {**said}), place)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            problem = f"the stream brought no request for {limits.stream_seconds:g} s; open another one"
            await self._end_stream(details, context, grpc.StatusCode.DEADLINE_EXCEEDED, problem, said)
        finally:
            self._streams -= 1

    async def _end_stream(
        self, details: Any, context: Any, status: grpc.StatusCode, problem: str, said: dict[str, Any] | None = None
    ) -> None:
        """End a stream between two inferences, and log that with what was `said` of the last one."""
        began = self._parts.access_log.began("grpc", _metadata(details))
        self._note(_Call(details.method, context, {**(said or {})}), status.name, began, 0, problem)
        await context.abort(status, problem)

    async def _reply(self, data: bytes, metadata: dict[str, str], call: _Call, place: ExitStack) -> bytes:
        """Answer one inference of a stream; its place is given back with `place`, when the answer is sent."""
        began, status, problem = self._parts.access_log.began("grpc", metadata), "OK", None
        reply = ModelStreamInferResponse()
        ident = request_ident(data, self._parts.limits.name_characters)  # also of one that is refused unread
        try:
            await self._pause_if_stopping()
            slot = place.enter_context(self._parts.admission.slot())
            reply.infer_response.MergeFromString(await self._infer_in(slot, data, call))
        except (WireError, grpc.RpcError) as error:
            status, problem = _as_status(error)
            reply.error_message, reply.infer_response.id = problem, ident
        finally:
            self._note(call, status, began, len(data), problem)
        return bytes(reply.SerializeToString())

    async def _live(self, _: bytes, __: _Call) -> bytes:
        """Whether this process answers."""
        return bytes(ServerLiveResponse(live=True).SerializeToString())

    async def _server(self, _: bytes, __: _Call) -> bytes:
        """The server's name, version and the extensions that work through this gateway."""
        return bytes((await self._parts.upstream.server_metadata()).SerializeToString())

    async def _ready(self, data: bytes, call: _Call) -> bytes:
        """Whether the supervisor and Triton call the server or a model ready."""
        if self._parts.admission.closed or not read_health(self._parts.state).ready:
            return _NOT_SERVING if call.path == _HEALTH_CHECK else _NOT_READY
        return await self._ask(data, call)

    async def _ask(self, data: bytes, call: _Call) -> bytes:
        """Hand a management call on."""
        _check_management_call(data)
        return await self._parts.upstream.raw(call.path, data, _QUICK_SECONDS)

    async def _statistics(self, data: bytes, _: _Call) -> bytes:
        """The statistics of one model, or of all."""
        request = parse(data, ModelStatisticsRequest, _MANAGEMENT_BYTES)
        return bytes((await self._parts.upstream.statistics(request.name, request.version)).SerializeToString())

    async def _refuse(self, _: bytes, call: _Call) -> bytes:
        """Refuse what changes the server."""
        raise WireError(403, f"{call.method} is restricted: this server takes questions and inferences only")


def _classified(answer: bytes, classes: dict[str, int], wire: ModelWire) -> bytes:
    """Return an encoded answer with the largest values of some outputs in their place."""
    response = ModelInferResponse.FromString(answer)
    classify(response, classes, wire)
    return bytes(response.SerializeToString())


def _check_management_call(data: bytes) -> None:
    """Raise `WireError` for a management call that is longer than any honest one."""
    if len(data) > _MANAGEMENT_BYTES:
        raise bad(f"the question has {len(data)} bytes; allowed are {_MANAGEMENT_BYTES}")


def _metadata(details: Any) -> dict[str, str]:
    """Return what a call carries beside its message, without binary values."""
    return {key: value for key, value in details.invocation_metadata if isinstance(value, str)}


def _as_status(error: Exception) -> tuple[str, str]:
    """Return the name of a gRPC status and a message."""
    wire_error = error if isinstance(error, WireError) else from_rpc(error)
    return wire_error.code.name, str(wire_error)
