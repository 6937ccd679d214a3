"""How much is held at once: requests and the bytes of their bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.errors import WireError

REFUSAL_SECONDS = 0.05  # how long a stopping server keeps who is refused waiting


class Slot:
    """A place for one request, given back when its client and everything else that needs it are done."""

    def __init__(self, admission: Admission) -> None:
        """Take a place."""
        self._admission = admission
        self._bytes = 0
        self._holders = 1
        admission.requests += 1

    def grow(self, count: int) -> None:
        """Hold more bytes.

        Raises:
            WireError: 503, that would be too many.
        """
        if self._admission.bytes + count > self._admission.limits.held_bytes:
            raise _full("the bodies of other requests fill the memory; try again in a moment")
        self._admission.bytes += count
        self._bytes += count

    def hold_until_done(self, work: asyncio.Future[Any]) -> None:
        """Keep the place until `work` has ended, even if the client goes away before."""
        self._holders += 1
        work.add_done_callback(lambda _: self.let_go())

    def let_go(self) -> None:
        """One holder less; the last one gives the place back."""
        self._holders -= 1
        if not self._holders:
            self._admission.requests -= 1
            self._admission.bytes -= self._bytes


class Admission:
    """Counts what is held, and refuses what would be too much.

    Attributes:
        limits: what is allowed.
        requests: how many requests are held.
        bytes: how many bytes of bodies are held.
        closed: whether nothing more is taken.
    """

    def __init__(self, limits: RequestLimits) -> None:
        """Start empty."""
        self.limits = limits
        self.requests = 0
        self.bytes = 0
        self.closed = False

    def close(self) -> None:
        """Take no request from now on; those that are held go on."""
        self.closed = True

    def check(self) -> None:
        """Raise `WireError` unless there is a place: 503, too many requests are held, or the server is stopping."""
        if self.closed:
            raise WireError(503, "the server is stopping and takes no more requests; try again in a moment")
        if self.requests >= self.limits.concurrent:
            raise _full(f"{self.requests} requests are being answered, no more are taken; try again in a moment")

    def take(self) -> Slot:
        """Give a place to one request that has come whole; it lets go of it. Raises like `check`."""
        self.check()
        return Slot(self)

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Give a place to one request for as long as a block runs; raises like `take`."""
        slot = self.take()
        try:
            yield slot
        finally:
            slot.let_go()


def _full(message: str) -> WireError:
    """Return the error of a server that has enough to do."""
    return WireError(503, message, grpc.StatusCode.RESOURCE_EXHAUSTED)
