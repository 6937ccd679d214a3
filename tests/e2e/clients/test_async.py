"""The asynchronous predictor against the real server, and against peers that stay silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest

from crosswire.clients import (
    AsyncPredictor,
    CrosswireError,
    DeadlineExceeded,
    InputError,
    PipelineNotFoundError,
    Predictor,
    RequestRejectedError,
    Retries,
    ServerUnreachable,
    segmentation_request,
)
from crosswire.training.datasets.rooms import render
from tests.support.servers.real import depth_png, png
from tests.support.small_clips import clip

ROOM = render(23, 4)


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: Any) -> str:
    """Address of the running server, once per protocol."""
    return str(server.grpc_url if request.param == "grpc" else server.http_url)


def test_many_at_once_are_what_one_after_the_other_is(url: str) -> None:
    rooms = [render(23, index) for index in range(4)]
    with Predictor(url) as predictor:
        alone = [predictor.segment(room.rgb, room.depth) for room in rooms]
        offered = predictor.pipelines()

    async def ask() -> None:
        async with AsyncPredictor(url) as predictor:
            assert await predictor.pipelines() == offered
            assert await predictor.pipeline() == offered[0]
            assert set((await predictor.health()).values()) == {True}
            assert {entry["name"] for entry in await predictor.statistics()} > {offered[0].name}
            together = await asyncio.gather(*(predictor.segment(room.rgb, room.depth) for room in rooms))
        for one, other in zip(alone, together, strict=True):
            assert (one.labels == other.labels).mean() > 0.999
            assert other.timings.total_ms > other.timings.request_ms > 0
        with pytest.raises(CrosswireError, match="was closed; make a new one"):
            await predictor.segment(ROOM.rgb, ROOM.depth)

    asyncio.run(ask())


def test_clips_and_translations_are_answered_as_to_the_blocking_predictor(small: Any) -> None:
    pictures = {"texture": png(), "shade": png(), "depth": depth_png()}
    bell = clip()

    async def ask() -> None:
        async with AsyncPredictor(small.grpc_url) as predictor:
            heard, seen = await asyncio.gather(predictor.classify(bell), predictor.translate(pictures))
            assert (await predictor.named_pipeline("events_small_clip")).task == "classification"
            with pytest.raises(InputError, match="nothing came"):
                await predictor.classify()
        with Predictor(small.grpc_url) as blocking:
            assert dict(blocking.classify(bell).top()) == pytest.approx(dict(heard.top()))
            assert set(blocking.translate(pictures).images) == set(seen.images)

    asyncio.run(ask())


def test_errors_are_those_of_the_blocking_predictor(url: str) -> None:
    async def ask() -> None:
        async with AsyncPredictor(url) as predictor:
            with pytest.raises(InputError, match="send uint8"):
                await predictor.segment(ROOM.rgb.astype(np.float32), ROOM.depth)
            with pytest.raises(PipelineNotFoundError, match="no pipeline 'kitchens'"):
                await predictor.segment(ROOM.rgb, ROOM.depth, pipeline="kitchens")
            png = segmentation_request(ROOM.rgb, ROOM.depth).inputs["rgb_image"][0, 0]
            with pytest.raises(RequestRejectedError, match="rgb_image"):
                await predictor.segment(png[:2000], ROOM.depth)
            with pytest.raises(DeadlineExceeded):
                await predictor.ask(segmentation_request(ROOM.rgb, ROOM.depth), timeout=1e-6)
            await predictor.segment(ROOM.rgb, ROOM.depth)

    asyncio.run(ask())


@contextlib.contextmanager
def silent_http() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """Accept one connection and never answer; yields the address, and when it was asked and left."""
    asked, left = threading.Event(), threading.Event()

    def serve() -> None:
        connection, _ = peer.accept()
        with connection:
            connection.settimeout(30)
            while connection.recv(65536):
                asked.set()
        left.set()

    with socket.create_server(("127.0.0.1", 0)) as peer:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{peer.getsockname()[1]}", asked, left
        thread.join()


@contextlib.contextmanager
def silent_grpc() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """The same for gRPC."""
    asked, left = threading.Event(), threading.Event()

    class Handler(grpc.GenericRpcHandler):
        def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def wait(_: bytes, context: grpc.ServicerContext) -> bytes:
                context.add_callback(left.set)
                asked.set()
                left.wait(30)
                return b""

            return grpc.unary_unary_rpc_method_handler(wait)

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}", asked, left
    server.stop(None).wait()


SILENT = {"grpc": silent_grpc, "http": silent_http}


@pytest.mark.parametrize("scheme", SILENT)
def test_a_cancelled_request_is_cancelled_at_the_server(scheme: str) -> None:
    async def ask(url: str, asked: threading.Event, left: threading.Event) -> None:
        async with AsyncPredictor(url) as predictor:
            task = asyncio.create_task(predictor.statistics())
            assert await asyncio.to_thread(asked.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(left.wait, 30)

    with SILENT[scheme]() as silent:
        asyncio.run(ask(*silent))


@pytest.mark.parametrize("scheme", SILENT)
def test_closing_a_blocking_predictor_ends_the_requests_of_other_threads(scheme: str) -> None:
    with SILENT[scheme]() as (url, asked, left), futures.ThreadPoolExecutor(1) as pool:
        predictor = Predictor(url, retries=Retries(attempts=1))
        waiting = pool.submit(predictor.statistics)
        assert asked.wait(30)
        predictor.close()
        assert isinstance(waiting.exception(30), CrosswireError)
        assert left.wait(30)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_gone_is_unreachable(scheme: str) -> None:
    async def ask() -> None:
        async with AsyncPredictor(f"{scheme}://127.0.0.1:9", retries=Retries(attempts=2)) as predictor:
            assert list((await predictor.health()).values()) == [False]
            with pytest.raises(ServerUnreachable, match="refused"):
                await predictor.statistics()

    asyncio.run(ask())
