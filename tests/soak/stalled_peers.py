"""What two hundred stalled peers cost everybody else: requests per second and their p99, with them and without."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from crosswire.serving.processes.embedded import EmbeddedServer
from tests.e2e.trust.test_stalled_peers import BODIES, BODY, FORM, HALF_HEADER, HEADERS, own, stalled, stalled_calls
from tests.support.servers.load import DEPTH, RGB
from tests.support.servers.real import PATIENCE_SECONDS, assert_answers

__all__ = ["own"]

CLIENTS, ROUNDS, ROUND_SECONDS = 4, 8, 5.0
LEAST_GOODPUT, MOST_P99 = 0.95, 1.2


def sent_for(server: EmbeddedServer, seconds: float) -> tuple[float, float]:
    """Send pairs by some clients for some seconds; returns requests per second, all answered, and p99 in seconds."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def work(_: int) -> None:
        with httpx.Client(base_url=server.http_url, timeout=PATIENCE_SECONDS) as client:
            while (began := time.monotonic()) < end:
                assert client.post(FORM, files={"rgb": RGB, "depth": DEPTH}).status_code == 200
                times.append(time.monotonic() - began)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))
    return len(times) / seconds, statistics.quantiles(times, n=100, method="inclusive")[98]


@pytest.mark.timeout(600)
def test_peers_that_stall_cost_others_nothing_to_speak_of(own: EmbeddedServer) -> None:
    """In rounds that take turns, so that a busy neighbour disturbs both; judged are the medians of their ratios."""
    sent_for(own, ROUND_SECONDS)
    goodput, p99 = [], []
    for turn in range(ROUNDS):
        found = {}
        for stall in (False, True) if turn % 2 else (True, False):
            over = threading.Event()
            with ExitStack() as stack:
                stack.callback(over.set)
                if stall:
                    stalled(own, stack, f"{BODY}--x\r\n", BODIES)
                    stalled(own, stack, HALF_HEADER, HEADERS)
                    stalled_calls(own, stack, over)
                found[stall] = sent_for(own, ROUND_SECONDS)
        goodput.append(found[True][0] / found[False][0])
        p99.append(found[True][1] / found[False][1])
    print(f"with stalled peers {statistics.median(goodput):.3f} x the requests, {statistics.median(p99):.3f} x the p99")
    assert statistics.median(goodput) >= LEAST_GOODPUT, goodput
    assert statistics.median(p99) <= MOST_P99, p99
    assert_answers(own)
