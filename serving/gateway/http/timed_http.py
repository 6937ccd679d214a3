"""HTTP/1.1 whose connections end when a request does not begin in time: uvicorn waits for headers for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedHttp(H11Protocol):
    """One connection."""

    def __init__(self, header_seconds: float, **more: Any) -> None:
        """Take how long the headers of a request may take from their first byte, or the first request to come."""
        super().__init__(**more)
        self._header_seconds = header_seconds
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came; whole headers end the waiting."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Measure the time while no headers, or a part of them, are there."""
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self._header_seconds, self.transport.close)

    def _stop(self) -> None:
        """Measure no time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
