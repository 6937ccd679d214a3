"""Waiting for the one message of a call, as long as it may take to come whole.

gRPC's own handlers of such calls wait for ever, and count what they wait for among what they answer.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from crosswire.serving.gateway.arrival.arrivals import Arrivals
from crosswire.serving.gateway.errors import WireError, bad


async def whole_message(messages: Any, peer: str, arrivals: Arrivals) -> bytes:
    """Return the first message of a call.

    Args:
        messages: those of the call.
        peer: where it comes from, as gRPC writes it: `ipv4:127.0.0.1:5000`.
        arrivals: all requests that are not whole yet.

    Raises:
        WireError: 408, it took too long; 503, there are too many like it; 400, the call ended without one.
    """
    given_up: list[WireError] = []

    def give_up(reason: WireError) -> None:
        given_up.append(reason)
        task.cancel()

    task: Any = asyncio.current_task()
    arrival = arrivals.begin(peer.rpartition(":")[0], give_up, arrivals.limits.read_seconds)
    try:
        data: bytes = await anext(aiter(messages))
        return data
    except StopAsyncIteration:
        raise bad("got a call without a message, expected one, try sending the request") from None
    except asyncio.CancelledError:
        if not given_up:
            raise
        if sys.version_info >= (3, 11):
            task.uncancel()
        raise given_up[0] from None
    finally:
        arrival.end()
