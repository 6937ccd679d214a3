"""Reading a request's body within limits of size and time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.lowlevel
from starlette.requests import ClientDisconnect, Request

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.admission import REFUSAL_SECONDS, Admission, Slot
from crosswire.serving.gateway.errors import WireError
from crosswire.serving.gateway.http.compression import Expander, expander

_DISCARD_FACTOR = 4
_DISCARD_SECONDS = 2.0


async def admit(admission: Admission, request: Request) -> Slot:
    """Give a request its place, which it keeps until its answer is sent.

    A request that is refused is read to its end first, so that its sender sees the answer.

    Raises:
        WireError: 503, there is no place.
    """
    try:
        slot = admission.take()
    except WireError:
        await discard(request)
        if admission.closed:
            await anyio.sleep(REFUSAL_SECONDS)
        raise
    request.state.answered = slot.let_go
    return slot


async def discard(request: Request) -> None:
    """Read the body of a request that is refused, or some of it, so that its sender sees the answer."""
    await _drop(request.stream())


async def _drop(parts: AsyncIterator[bytes]) -> None:
    """Read what is left of a body, or some of it."""
    with anyio.move_on_after(_DISCARD_SECONDS), contextlib.suppress(ClientDisconnect):
        async for _ in parts:
            pass


async def read_body(request: Request, limits: RequestLimits, grow: Callable[[int], None]) -> bytes:
    """Return the whole body, expanded if it came compressed.

    Args:
        request: the request.
        limits: what is allowed.
        grow: told of the size of every part before it is kept; may refuse it.

    Raises:
        WireError: 415 in another encoding, 413 too large as it came or expanded, 408 too slow, 400 damaged.
        starlette.requests.ClientDisconnect: the client went away.
    """
    expanding = expander(request.headers.get("content-encoding", ""))
    try:
        with anyio.fail_after(limits.read_seconds):
            if expanding is None:
                return await _collect(request, limits, grow)
            return await _collect_expanded(request, limits, grow, expanding)
    except TimeoutError:
        raise WireError(408, f"the body did not arrive within {limits.read_seconds:g} s") from None


async def _collect(request: Request, limits: RequestLimits, grow: Callable[[int], None]) -> bytes:
    """Read part after part; of a body over the limit more is read and dropped, so that its sender sees the answer."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= limits.body_bytes:
            grow(len(part))
            body += part
        else:
            body.clear()
            if size > _DISCARD_FACTOR * limits.body_bytes:
                break
    if size > limits.body_bytes:
        raise WireError(
            413, f"the body has more than {limits.body_bytes} bytes, which is the limit; send smaller batches"
        )
    return bytes(body)


async def _collect_expanded(
    request: Request, limits: RequestLimits, grow: Callable[[int], None], expanding: Expander
) -> bytes:
    """Read and expand part after part, and no more than is allowed; the rest of a refused body is read and dropped."""
    body, came, parts = bytearray(), 0, request.stream()
    too_large = WireError(
        413, f"the body expands to more than {limits.body_bytes} bytes, which is the limit; send smaller batches"
    )
    try:
        async for part in parts:
            came += len(part)
            if came > limits.body_bytes:  # it may be longer than what it expands to
                raise too_large
            for piece in expanding.expand(part) if part else ():
                if len(body) + len(piece) > limits.body_bytes:
                    raise too_large
                grow(len(piece))
                body += piece
                await anyio.lowlevel.checkpoint()  # others are answered meanwhile
    except WireError:
        await _drop(parts)
        raise
    expanding.finish()
    return bytes(body)
