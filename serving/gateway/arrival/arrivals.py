"""Requests that have not come whole: each has its time and a least rate, and all together are bounded.

They hold no place of those that are answered. Where there are too many, or they hold too many bytes, the one that has
brought nothing for longest makes room: who sends on is never refused for those who do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crosswire.serving.config.limits import RequestLimits
from crosswire.serving.gateway.errors import WireError


class Arrival:
    """One request on its way, or a connection without one."""

    def __init__(self, arrivals: Arrivals, peer: str, give_up: Callable[[WireError], None], seconds: float) -> None:
        """Begin to wait for it."""
        loop = asyncio.get_running_loop()
        self.peer = peer
        self.bytes = 0
        self.progressed = loop.time()
        self._arrivals, self._give_up, self._loop = arrivals, give_up, loop
        self._in_window, self._over = 0, False
        late = WireError(408, f"the request did not arrive within {seconds:g} s; send it faster")
        self._timers = [loop.call_later(seconds, self.give_up, late)]

    def keep_pace(self) -> None:
        """Give it up from now on when it brings less than the least rate."""
        limits = self._arrivals.limits
        needed = limits.slowest_bytes_per_second * limits.stall_seconds

        def judge() -> None:
            if self._in_window < needed:
                self.give_up(
                    WireError(
                        408,
                        f"the request brought {self._in_window} bytes in {limits.stall_seconds:g} s; got less than "
                        f"{limits.slowest_bytes_per_second} a second, expected more, try again on a faster line",
                    )
                )
            else:
                self.keep_pace()

        self._in_window = 0
        self._timers[1:] = [self._loop.call_later(limits.stall_seconds, judge)]

    def progress(self, count: int) -> None:
        """Note that more bytes came, or were expanded from what came."""
        self.progressed = self._loop.time()
        self._in_window += count

    def grow(self, count: int) -> None:
        """The same for bytes that are kept; may cost this or another request its place."""
        self.progress(count)
        if not self._over:
            self.bytes += count
            self._arrivals.add(count)

    def give_up(self, reason: WireError) -> None:
        """Wait no longer."""
        self.end()
        self._give_up(reason)

    def end(self) -> None:
        """Note that it came whole, or its peer is gone."""
        self._over = True
        for timer in self._timers:
            timer.cancel()
        self._arrivals.remove(self)


class Arrivals:
    """All requests that are incomplete.

    Attributes:
        limits: what is allowed.
        bytes: how many bytes of incomplete bodies are held.
    """

    def __init__(self, limits: RequestLimits) -> None:
        """Start empty."""
        self.limits = limits
        self.bytes = 0
        self._by_peer: dict[str, dict[Arrival, None]] = {}

    def begin(self, peer: str, give_up: Callable[[WireError], None], seconds: float) -> Arrival:
        """Wait for a request.

        Args:
            peer: the address that it comes from.
            give_up: called with the reason when it has to make room, or its time is over; once at most.
            seconds: its time.
        """
        arrival = Arrival(self, peer, give_up, seconds)
        others = self._by_peer.setdefault(peer, {})
        others[arrival] = None
        if len(others) > self.limits.peer_arrivals:
            problem = f"{len(others)} incomplete requests and idle connections come from {peer or 'one address'}"
            cure = "this one was the slowest; send whole requests on fewer connections"
            _slowest(others).give_up(WireError(503, f"{problem}, {cure}"))
        return arrival

    def add(self, count: int) -> None:
        """Hold more bytes; whoever is slowest makes room."""
        self.bytes += count
        while self.bytes > self.limits.arriving_bytes:
            holders = [one for others in self._by_peer.values() for one in others if one.bytes]
            problem = "incomplete requests fill the memory, and this one was the slowest; try again in a moment"
            _slowest(holders).give_up(WireError(503, problem))

    def remove(self, arrival: Arrival) -> None:
        """Forget one; also of one that is forgotten already."""
        others = self._by_peer.get(arrival.peer, {})
        if arrival in others:
            del others[arrival]
            self.bytes -= arrival.bytes
            if not others:
                del self._by_peer[arrival.peer]


def _slowest(arrivals: dict[Arrival, None] | list[Arrival]) -> Arrival:
    """Return the one that has brought nothing for longest."""
    return min(arrivals, key=lambda one: one.progressed)
