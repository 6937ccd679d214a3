"""Two hundred peers that begin a request and go no further: nobody else is refused for them."""

from __future__ import annotations

import resource
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import httpx
import pytest
from tritonclient.utils import InferenceServerException

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.real import (
    NETWORK,
    PATIENCE_SECONDS,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    configured,
    depth_png,
    infer_pictures,
    jpeg,
)

FORM = f"/v1/pipelines/{PIPELINE}"
START = f"POST {FORM} HTTP/1.1\r\nHost: a\r\n"
BODY = f"{START}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 500000\r\n\r\n"
HALF_HEADER = f"{START}Content-"
INFER = "/inference.GRPCInferenceService/ModelInfer"
BODIES, HEADERS, CALLS, CHANNELS, MOST = 80, 60, 60, 3, 256
REQUESTS = 12
FEW_FILES = 160


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that has an hour's patience with every peer, started by somebody who may have few files open."""
    patient = f"[limits]\nheader_seconds = 3600\nread_seconds = 3600\nstall_seconds = 3600\npeer_arrivals = {MOST}\n"
    options = configured(tmp_path_factory.mktemp("settings"), patient)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = EmbeddedServer(REPOSITORY, networks=[NETWORK], options=options)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, FEW_FILES), hard))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield server
    server.stop()


def stalled(server: EmbeddedServer, stack: ExitStack, text: str, count: int) -> list[socket.socket]:
    """Open connections that begin something and go no further."""
    host, port = server.http_url.removeprefix("http://").split(":")
    opened = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(count)]
    for one in opened:
        one.settimeout(PATIENCE_SECONDS)
        one.sendall(text.encode())
    return opened


def stalled_calls(server: EmbeddedServer, stack: ExitStack, over: threading.Event) -> None:
    """Begin calls whose messages never come."""

    def nothing() -> Iterator[bytes]:
        over.wait()
        yield from ()

    for _ in range(CHANNELS):
        own_connection = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.insecure_channel(server.grpc_url.removeprefix("grpc://"), options=own_connection)
        stack.enter_context(channel)
        for _ in range(CALLS // CHANNELS):
            channel.stream_unary(INFER).future(nothing())


def statuses(server: EmbeddedServer) -> Counter[str]:
    """Ask over both protocols, one after the other; return what came."""
    found: Counter[str] = Counter()
    for _ in range(REQUESTS):
        files = {"rgb": jpeg(), "depth": depth_png()}
        found[str(httpx.post(f"{server.http_url}{FORM}", files=files, timeout=PATIENCE_SECONDS).status_code)] += 1
        try:
            infer_pictures(server, [jpeg()], [depth_png()])
            found["OK"] += 1
        except InferenceServerException as error:
            found[str(error.status())] += 1
    return found


def still_open(connection: socket.socket) -> bool:
    """Say whether the server has neither closed a connection nor said anything."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(PATIENCE_SECONDS)
    return False


def test_nobody_is_refused_for_peers_that_stall(own: EmbeddedServer) -> None:
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        waiting = stalled(own, stack, f"{BODY}--x\r\n", BODIES) + stalled(own, stack, HALF_HEADER, HEADERS)
        stalled_calls(own, stack, over)
        assert statuses(own) == {"200": REQUESTS, "OK": REQUESTS}
        assert all(map(still_open, waiting)), "they held on all the time"
    assert_answers(own)


def test_more_incomplete_requests_than_one_address_may_have_cost_the_eldest_of_them(own: EmbeddedServer) -> None:
    with ExitStack() as stack:
        first = stalled(own, stack, HALF_HEADER, MOST // 2) + stalled(own, stack, BODY, MOST // 2 - 2)
        assert_answers(own)  # what they sent was read before
        last = stalled(own, stack, HALF_HEADER, MOST)
        assert statuses(own) == {"200": REQUESTS, "OK": REQUESTS}
        told = [one.recv(4096) for one in first[:-REQUESTS]]
        assert {answer.split(b"\r\n")[0] for answer in told} == {b"HTTP/1.1 503 Service Unavailable"}
        assert all(map(still_open, last[2 * REQUESTS :]))
