"""Reading a request's body within limits of size and time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
from starlette.requests import ClientDisconnect, Request

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.admission import REFUSAL_SECONDS, Admission, Slot
from crosswire.serving.gateway.arrival.arrivals import Arrival, Arrivals
from crosswire.serving.gateway.errors import WireError
from crosswire.serving.gateway.http.compression import Expander, expander

_DISCARD_FACTOR = 4
_DISCARD_SECONDS = 2.0


async def check_room(admission: Admission, request: Request) -> None:
    """Refuse a request for which there is no place before its body is read.

    Some of the body is read then and dropped, so that its sender sees the answer.

    Raises:
        WireError: 503, there is no place.
    """
    try:
        admission.check()
    except WireError:
        await discard(request)
        if admission.closed:
            await anyio.sleep(REFUSAL_SECONDS)
        raise


def admit(admission: Admission, request: Request, body: bytes) -> Slot:
    """Give a request that has come whole its place, which it keeps until its answer is sent.

    Raises:
        WireError: 503, there is no place, or no memory for its body.
    """
    slot = admission.take()
    request.state.answered = slot.let_go
    slot.grow(len(body))
    return slot


async def discard(request: Request) -> None:
    """Read the body of a request that is refused, or some of it, so that its sender sees the answer."""
    await _drop(request.stream())


async def _drop(parts: AsyncIterator[bytes]) -> None:
    """Read what is left of a body, or some of it."""
    with anyio.move_on_after(_DISCARD_SECONDS), contextlib.suppress(ClientDisconnect):
        async for _ in parts:
            pass


async def read_body(request: Request, limits: RequestLimits, arrivals: Arrivals) -> bytes:
    """Return the whole body, expanded if it came compressed.

    Args:
        request: the request.
        limits: what is allowed.
        arrivals: all requests that are not whole yet.

    Raises:
        WireError: 415 in another encoding, 413 too large as it came or expanded, 408 too slow, 400 damaged, 503 there
            is no room for bodies that are not whole.
        starlette.requests.ClientDisconnect: the client went away.
    """
    expanding = expander(request.headers.get("content-encoding", ""))
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > _DISCARD_FACTOR * limits.body_bytes:
        await discard(request)
        raise _too_large(limits)
    given_up: list[WireError] = []

    def give_up(reason: WireError) -> None:
        given_up.append(reason)
        scope.cancel()

    peer = request.client.host if request.client else ""
    body = b""
    with anyio.CancelScope() as scope:
        arrival = arrivals.begin(peer, give_up, limits.read_seconds)
        arrival.keep_pace()
        try:
            if expanding is None:
                body = await _collect(request, limits, arrival)
            else:
                body = await _collect_expanded(request, limits, arrival, expanding)
        finally:
            arrival.end()
    if given_up:
        raise given_up[0]
    return body


async def _collect(request: Request, limits: RequestLimits, arrival: Arrival) -> bytes:
    """Read part after part; of a body over the limit more is read and dropped, so that its sender sees the answer."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= limits.body_bytes:
            arrival.grow(len(part))
            body += part
        else:
            arrival.progress(len(part))
            body.clear()
            if size > _DISCARD_FACTOR * limits.body_bytes:
                break
    if size > limits.body_bytes:
        raise _too_large(limits)
    return bytes(body)


def _too_large(limits: RequestLimits) -> WireError:
    """Return the error of a body that is too large as it comes."""
    return WireError(413, f"the body has more than {limits.body_bytes} bytes, which is the limit; send smaller batches")


async def _collect_expanded(request: Request, limits: RequestLimits, arrival: Arrival, expanding: Expander) -> bytes:
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
                arrival.grow(len(piece))
                body += piece
                await anyio.lowlevel.checkpoint()  # others are answered meanwhile
    except WireError:
        await _drop(parts)
        raise
    expanding.finish()
    return bytes(body)
