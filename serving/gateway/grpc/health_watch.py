"""`Watch` of gRPC's health service: the status of the server at once, and again whenever it is another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

_PAUSE_SECONDS = 0.5


async def watch(current_status: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    """Yield the first status and every change of it, until the client goes.

    Args:
        current_status: returns the status as it is now, an encoded `HealthCheckResponse`.
    """
    told = None
    while True:
        status = await current_status()
        if status != told:
            told = status
            yield status
        await asyncio.sleep(_PAUSE_SECONDS)
