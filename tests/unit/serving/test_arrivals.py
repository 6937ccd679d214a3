"""Requests that have not come whole, in virtual time: how long they may take, and who makes room for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.requests import Request

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.errors import WireError
from crosswire.serving.gateway.grpc.message_arrival import whole_message
from crosswire.serving.gateway.http.bodies import read_body
from tests.support.virtual_time import run_virtually

LIMITS = RequestLimits(read_seconds=60, stall_seconds=10, slowest_bytes_per_second=100)


async def dribble(count: int, every: float, times: int) -> AsyncIterator[dict[str, Any]]:
    """Bring so many bytes again and again."""
    for left in reversed(range(times)):
        await asyncio.sleep(every)
        yield {"type": "http.request", "body": bytes(count), "more_body": left > 0}


def arrived(parts: AsyncIterator[dict[str, Any]]) -> tuple[int, float]:
    """Return the size of a body and when it was there, or the status of its refusal and when that came."""

    async def receive() -> Any:
        return await anext(parts)

    async def run() -> tuple[int, float]:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        arrivals = Arrivals(LIMITS)
        try:
            size = len(await read_body(Request(scope, receive), LIMITS, arrivals))
        except WireError as refused:
            size = refused.status
        assert arrivals.bytes == 0, "nothing is held any more"
        return size, asyncio.get_running_loop().time()

    return run_virtually(run())


def test_a_body_may_be_slow_but_not_slower_than_the_least_rate() -> None:
    assert arrived(dribble(500, 4.0, 10)) == (5000, 40.0)
    assert arrived(dribble(100, 4.0, 10)) == (408, 10.0)


def test_a_body_that_stalls_on_its_way_is_given_up_soon_after() -> None:
    async def stall() -> AsyncIterator[dict[str, Any]]:
        async for part in dribble(2000, 1.0, 12):
            yield {**part, "more_body": True}
        await asyncio.sleep(3600)

    assert arrived(stall()) == (408, 30.0), "the first window that brought too little"


def test_a_body_at_the_least_rate_has_its_whole_time_and_no_more() -> None:
    assert arrived(dribble(1000, 5.0, 100)) == (408, 60.0)


def waiting(arrivals: Arrivals, *peers: str) -> tuple[list[Any], list[tuple[int, WireError]]]:
    """Begin an arrival per peer, one after the other; returns them, and a list of those that will be given up."""
    given_up: list[tuple[int, WireError]] = []

    def note(index: int) -> Callable[[WireError], None]:
        return lambda reason: given_up.append((index, reason))

    return [arrivals.begin(peer, note(index), 3600) for index, peer in enumerate(peers)], given_up


def test_of_too_many_from_one_address_the_one_that_stalled_longest_makes_room() -> None:
    async def run() -> list[tuple[int, int]]:
        arrivals = Arrivals(RequestLimits(peer_arrivals=3))
        begun, given_up = waiting(arrivals, "a", "a")
        await asyncio.sleep(1)
        begun[0].grow(1)
        await asyncio.sleep(1)
        waiting(arrivals, "b", "b", "b", "a")
        assert given_up == []
        waiting(arrivals, "a")
        return [(index, reason.status) for index, reason in given_up]

    assert run_virtually(run()) == [(1, 503)]


def test_bytes_of_those_that_stall_make_room_for_those_that_come() -> None:
    async def run() -> list[tuple[int, int]]:
        arrivals = Arrivals(RequestLimits(arriving_bytes=100))
        begun, given_up = waiting(arrivals, "a", "b", "c")
        for arrival in begun[:2]:
            arrival.grow(45)
            await asyncio.sleep(1)
        begun[0].grow(5)
        begun[2].grow(50)
        assert arrivals.bytes == 100
        begun[1].grow(99)  # it is given up already
        assert arrivals.bytes == 100
        return [(index, reason.status) for index, reason in given_up]

    assert run_virtually(run()) == [(1, 503)]


def test_a_body_that_is_larger_than_the_room_for_all_is_refused_itself() -> None:
    async def run() -> None:
        arrivals = Arrivals(RequestLimits(arriving_bytes=100))
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        parts = dribble(80, 1.0, 3)

        async def receive() -> Any:
            return await anext(parts)

        await read_body(Request(scope, receive), RequestLimits(), arrivals)

    with pytest.raises(WireError, match="fill the memory") as refused:
        run_virtually(run())
    assert refused.value.status == 503


async def no_message(seconds: float) -> AsyncIterator[bytes]:
    """End after a while without a message."""
    await asyncio.sleep(seconds)
    for data in ():
        yield data


@pytest.mark.parametrize(("silence", "status", "at"), [(3600.0, 408, 60.0), (5.0, 400, 5.0)])
def test_a_call_whose_message_does_not_come_ends(silence: float, status: int, at: float) -> None:
    async def run() -> tuple[int, float]:
        arrivals = Arrivals(LIMITS)
        with pytest.raises(WireError) as refused:
            await whole_message(no_message(silence), "ipv4:127.0.0.1:5", arrivals)
        await asyncio.sleep(0)  # the call goes on: it is not cancelled itself
        return refused.value.status, asyncio.get_running_loop().time()

    assert run_virtually(run()) == (status, at)
