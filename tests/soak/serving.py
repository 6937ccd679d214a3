"""Long or timed trials of a server, for a quiet machine: `make soak`. The ordinary tests leave this file out.

They hold bars in seconds and requests per second, which a busy machine misses for reasons of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import tritonclient.http

from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import is_running
from crosswire.serving.steps.runtime.step import most_at_once
from tests.support.servers.load import DEPTH, RGB, Load
from tests.support.servers.real import (
    NETWORK,
    PIPELINE,
    REPOSITORY,
    assert_answers,
    depth_png,
    jpeg,
    resident_bytes,
    wait_until,
)

OVERLOAD = 5
LARGE, LARGE_BYTES = 12, 1 << 30  # pictures at once, and bytes per request that is worked on
OVERLOAD_SECONDS = 60
BUSY, CONNECTIONS = 24, 256
TICK_SECONDS = 0.004


@pytest.fixture
def fresh() -> Iterator[EmbeddedServer]:
    """A server that was never restarted: after several restarts in a row the supervisor takes its time."""
    with EmbeddedServer(REPOSITORY, networks=[NETWORK]) as running:
        yield running


@pytest.mark.parametrize(("state", "longest_s"), [("idle", 5), ("under load", 10), ("with a stopped Triton", 5)])
def test_a_server_stops_within_seconds(state: str, longest_s: float, fresh: EmbeddedServer) -> None:
    with Load(fresh) if state == "under load" else contextlib.nullcontext():
        if state == "with a stopped Triton":
            os.kill(fresh.facts["triton_pid"], signal.SIGSTOP)
        began = time.monotonic()
        os.kill(fresh.pid, signal.SIGTERM)
        wait_until(lambda: not is_running(fresh.pid))
        took = time.monotonic() - began
        fresh.stop()
        fresh.start()  # what the load still asks is answered
    assert took < longest_s, took


def test_at_five_times_its_capacity_a_server_does_four_fifths_of_it_and_refuses_the_rest(fresh: EmbeddedServer) -> None:
    capacity = saturate(fresh, 15)
    before = resident_bytes(fresh)
    outcomes = offer(fresh, OVERLOAD * capacity, OVERLOAD_SECONDS)
    goodput = outcomes["200"] / OVERLOAD_SECONDS / capacity
    print(f"capacity {capacity:.1f} per second; at {OVERLOAD} times that {goodput:.2f} of it: {dict(outcomes)}")
    assert set(outcomes) <= {"200", "503"}, outcomes
    assert goodput >= 0.8
    assert resident_bytes(fresh) - before < 256 << 20
    assert_answers(fresh)


@pytest.mark.timeout(1200)
def test_the_largest_pictures_at_once_take_no_more_memory_than_the_guide_says(fresh: EmbeddedServer) -> None:
    files = {"rgb": jpeg(8000, 4000), "depth": depth_png(8000, 4000)}
    url = f"{fresh.http_url}/v1/pipelines/{PIPELINE}?output=labels,overlay,confidence,summary"
    before, seen, over = resident_bytes(fresh), [0], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(OSError):  # a process has just ended
                seen.append(resident_bytes(fresh))

    thread = threading.Thread(target=look)
    thread.start()
    with ThreadPoolExecutor(LARGE) as pool:
        answers = list(pool.map(lambda _: httpx.post(url, files=files, timeout=600).status_code, range(LARGE)))
    over.set()
    thread.join()
    print(f"{LARGE} pictures of 32 megapixels at once: {(max(seen) - before) >> 20} MiB more")
    assert answers == [200] * LARGE
    assert max(seen) - before < LARGE_BYTES * most_at_once()
    assert_answers(fresh)


def saturate(server: EmbeddedServer, seconds: float) -> float:
    """Return how many requests per second a server answers that always has enough to do."""
    return asyncio.run(_load(server, None, seconds))["200"] / seconds


def offer(server: EmbeddedServer, rate: float, seconds: float) -> Counter[str]:
    """Send requests at a steady rate, whatever becomes of them, and count their statuses."""
    return asyncio.run(_load(server, rate, seconds))


async def _load(server: EmbeddedServer, rate: float | None, seconds: float) -> Counter[str]:
    """Send requests at a rate, or as fast as `BUSY` connections are answered; return the statuses that came in time."""
    host, _, port = server.http_url.removeprefix("http://").partition(":")
    loop, outcomes, request = asyncio.get_running_loop(), Counter[str](), whole_request()
    lines = [
        (await loop.create_connection(lambda: Line(outcomes), host, int(port)))[1]
        for _ in range(BUSY if rate is None else CONNECTIONS)
    ]
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        idle = [line for line in lines if line.idle]
        due = len(idle) if rate is None else int(passed * rate) - sent
        assert due <= len(idle), "more requests wait than there are connections: the server neither answers nor refuses"
        for line in idle[:due]:
            line.ask(request)
        sent += due
        await asyncio.sleep(TICK_SECONDS)
    found = outcomes.copy()
    while not all(line.idle for line in lines):
        await asyncio.sleep(TICK_SECONDS)
    for line in lines:
        line.transport.close()
    return found


class Line(asyncio.Protocol):
    """One kept connection that knows just enough HTTP to count: what this takes, the server on the same cores lacks."""

    def __init__(self, outcomes: Counter[str]) -> None:
        self.outcomes, self.idle, self.came = outcomes, True, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.idle = False
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Count a whole answer."""
        self.came += data
        head, end, body = self.came.partition(b"\r\n\r\n")
        if end and len(body) == int(head.lower().partition(b"\ncontent-length:")[2].split()[0]):
            self.outcomes[head.split()[1].decode()] += 1
            self.idle, self.came = True, b""

    def connection_lost(self, error: Exception | None) -> None:
        """Count an answer that never came."""
        if not self.idle:
            self.outcomes["lost"] += 1
            self.idle = True


def whole_request() -> bytes:
    """Return one inference as it travels."""
    tensors = [
        tritonclient.http.InferInput(name, [1, 1], "BYTES").set_data_from_numpy(np.array([[data]], np.object_))
        for name, data in (("rgb_image", RGB), ("depth_image", DEPTH))
    ]
    wanted = [tritonclient.http.InferRequestedOutput("labels_png")]
    body, text_bytes = tritonclient.http.InferenceServerClient.generate_request_body(tensors, outputs=wanted)
    head = f"POST /v2/models/{PIPELINE}/infer HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Inference-Header-Content-Length: {text_bytes}\r\n\r\n".encode() + body
