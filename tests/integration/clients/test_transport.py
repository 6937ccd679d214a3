"""Both transports against bare peers that answer with one status: every status has its place in the error tree."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from crosswire.clients import (
    CrosswireError,
    DeadlineExceeded,
    InternalServerError,
    PipelineNotFoundError,
    Predictor,
    RequestRejectedError,
    ServerOverloaded,
    ServerUnreachable,
)
from crosswire.clients.address import Address
from crosswire.clients.transport import open_transport

REASON = "the reason,\n in two lines."


@contextlib.contextmanager
def http_peer(status: int, body: bytes) -> Iterator[str]:
    """Serve one status and body on every path; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def grpc_peer(code: grpc.StatusCode, largest: int = 4 << 20) -> Iterator[str]:
    """Serve a KServe gRPC service that is alive and refuses everything else with one code; yields the address.

    Messages of more than `largest` bytes are refused by gRPC itself.
    """

    class Handler(grpc.GenericRpcHandler):
        def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def alive(_: bytes, context: grpc.ServicerContext) -> bytes:
                return service_pb2.ServerLiveResponse(live=True).SerializeToString()

            def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
                context.abort(code, REASON)

            return grpc.unary_unary_rpc_method_handler(alive if call.method.endswith("ServerLive") else refuse)

    options = [("grpc.max_receive_message_length", largest)]
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Handler()], options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def failure_at(url: str, timeout: float = 60.0) -> CrosswireError:
    with Predictor(url, timeout=timeout) as predictor, pytest.raises(CrosswireError) as caught:
        predictor.pipelines()
    assert caught.value.__cause__ is not None
    assert url in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejectedError),
        (403, RequestRejectedError),
        (404, PipelineNotFoundError),
        (413, RequestRejectedError),
        (429, ServerOverloaded),
        (500, InternalServerError),
        (502, ServerUnreachable),
        (503, ServerOverloaded),
        (504, DeadlineExceeded),
    ],
)
def test_every_http_status_has_its_place_in_the_error_tree(status: int, kind: type[CrosswireError]) -> None:
    with http_peer(status, json.dumps({"error": REASON}).encode()) as url:
        error = failure_at(url)
    assert type(error) is kind
    assert kind is DeadlineExceeded or "the reason, in two lines" in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, RequestRejectedError),
        (grpc.StatusCode.PERMISSION_DENIED, RequestRejectedError),
        (grpc.StatusCode.NOT_FOUND, PipelineNotFoundError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServerOverloaded),
        (grpc.StatusCode.UNAVAILABLE, ServerOverloaded),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, InternalServerError),
        (grpc.StatusCode.UNIMPLEMENTED, InternalServerError),
    ],
)
def test_every_grpc_status_has_its_place_in_the_error_tree(code: grpc.StatusCode, kind: type[CrosswireError]) -> None:
    with grpc_peer(code) as url:
        error = failure_at(url)
    assert type(error) is kind
    assert kind is DeadlineExceeded or "the reason, in two lines" in str(error)


def test_a_message_that_is_too_large_for_the_server_is_refused_and_not_worth_another_try() -> None:
    clip = np.array([[bytes(20_000)]], dtype=np.object_)
    with grpc_peer(grpc.StatusCode.INTERNAL, largest=10_000) as url:
        transport = open_transport(Address.parse(url))
        with pytest.raises(
            RequestRejectedError, match=r"larger than max \(\d+ vs\. 10000\); send smaller files, or raise"
        ):
            transport.infer("events_clip", {"clip": clip}, ["summary"], 10.0)
        transport.close()


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"[]", b'{"no": "statistics"}'])
def test_an_http_server_of_another_kind_is_named(body: bytes) -> None:
    with http_peer(200, body) as url:
        assert type(failure_at(url)) is InternalServerError


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>"])
def test_an_error_page_that_is_no_json_is_still_one_clear_error(body: bytes) -> None:
    with http_peer(500, body) as url:
        assert type(failure_at(url)) is InternalServerError


def test_the_ports_of_the_two_protocols_mistaken_for_each_other_are_hinted_at() -> None:
    with http_peer(200, b"{}") as url:
        error = failure_at(url.replace("http", "grpc"))
        assert type(error) is ServerUnreachable and "not its HTTP port" in str(error)
    with grpc_peer(grpc.StatusCode.INTERNAL) as url:
        error = failure_at(url.replace("grpc", "http"))
        assert type(error) is ServerUnreachable and "not its gRPC port" in str(error)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_peer_that_accepts_and_stays_silent_runs_into_the_deadline(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as peer:
        error = failure_at(f"{scheme}://127.0.0.1:{peer.getsockname()[1]}", timeout=1.0)
    assert type(error) is DeadlineExceeded
    assert "no response within 1 s" in str(error)
