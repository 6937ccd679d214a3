"""Reading a request's body within limits of size and time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import anyio
from starlette.requests import ClientDisconnect, Request

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.admission import REFUSAL_SECONDS, Admission, Slot
from crosswire.serving.gateway.errors import WireError

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
    with anyio.move_on_after(_DISCARD_SECONDS), contextlib.suppress(ClientDisconnect):
        async for _ in request.stream():
            pass


async def read_body(request: Request, limits: RequestLimits, grow: Callable[[int], None]) -> bytes:
    """Return the whole body.

    Args:
        request: the request.
        limits: what is allowed.
        grow: told of the size of every part before it is kept; may refuse it.

    Raises:
        WireError: 415 encoded, 413 too large, 408 too slow.
        starlette.requests.ClientDisconnect: the client went away.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise WireError(415, f"Content-Encoding {encoding[:40]!r} is not taken; send the body uncompressed")
    try:
        with anyio.fail_after(limits.read_seconds):
            return await _collect(request, limits, grow)
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
