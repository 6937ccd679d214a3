"""`Watch` of gRPC's health service: the status of the server at once, and again whenever it is another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

_LOOK_SECONDS = 0.5


async def watch(look: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    """Yield the first status and every change of it, until the client goes.

    Args:
        look: returns the status as it is now, an encoded `HealthCheckResponse`.
    """
    told = None
    while True:
        status = await look()
        if status != told:
            told = status
            yield status
        await asyncio.sleep(_LOOK_SECONDS)
