"""HTTP/1.1 whose connections end when a request does not begin in time: uvicorn waits for headers for ever."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from crosswire.serving.gateway.arrival.arrivals import Arrival, Arrivals
from crosswire.serving.gateway.errors import WireError, error_response

IDLE_SECONDS = 75.0


class TimedHttp(H11Protocol):
    """One connection, which counts as incomplete while no whole headers are there."""

    def __init__(self, arrivals: Arrivals, **more: Any) -> None:
        """Take what knows of all that is incomplete."""
        super().__init__(**more)
        self._arrivals = arrivals
        self._arrival: Arrival | None = None
        self._begun = False  # whether a part of the headers is there

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait(self._arrivals.limits.header_seconds)

    def data_received(self, data: bytes) -> None:
        """Take what came; whole headers end the waiting."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop()
        elif not self._begun:
            self._wait(self._arrivals.limits.header_seconds)
            self._begun = True

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._begun = False
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._wait(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        """Measure the time until headers are there."""
        self._stop()
        peer = self.client[0] if self.client else ""
        self._arrival = self._arrivals.begin(peer, self._give_up, seconds)

    def _stop(self) -> None:
        """Measure no time."""
        if self._arrival is not None:
            self._arrival.end()
            self._arrival = None

    def _give_up(self, reason: WireError) -> None:
        """End the connection; who has sent a part of its headers is told why."""
        self._arrival = None
        if self._begun and self.conn.our_state is h11.IDLE:
            response = error_response(reason.status, str(reason))
            headers = [*response.raw_headers, (b"connection", b"close")]
            for event in (
                h11.Response(
                    status_code=reason.status, headers=headers, reason=HTTPStatus(reason.status).phrase.encode()
                ),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
