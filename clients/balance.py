"""Which of several servers is asked next, and how long to wait before asking again.

Health is learnt from the requests themselves: a server that cannot be reached or is full rests for a while that doubles
with every failure in a row, and the first request after the rest tells whether it is back. Pauses are drawn at random
("full jitter"), so that clients which failed together do not come back together.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crosswire.clients.errors import InputError, ServerError, ServerOverloaded, ServerUnreachable

_LONGEST_PAUSE_S = 86_400
SAFE = (ServerUnreachable, ServerOverloaded)
"""Errors after which the same request may be sent again: it was not run, or running it twice does no harm."""


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a request is sent again.

    Attributes:
        attempts: how often a request is sent at most; 1 never sends it again.
        first_pause_s: longest pause before the second attempt; it doubles with every further one.
        longest_pause_s: no pause is longer, and no server rests longer.
        heard: is told of every attempt that got a response (None), or why one failed that may be made again; it is
            called from the thread that asks, and must return at once.
    """

    attempts: int = 4
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0
    heard: Callable[[ServerError | None], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one of them makes no sense.
        """
        if self.attempts < 1:
            raise InputError(f"attempts is {self.attempts}; send 1 (never again) or more")
        pauses = (self.first_pause_s, self.longest_pause_s)
        if not all(0 < pause <= _LONGEST_PAUSE_S for pause in pauses):
            raise InputError(
                f"pauses are {pauses[0]} s and {pauses[1]} s; send seconds above 0, at most {_LONGEST_PAUSE_S} of them"
            )


@dataclass
class _Server:
    """What is known about one server: requests in flight, failures in a row, and until when it rests."""

    in_flight: int = 0
    failures: int = 0
    rests_until: float = 0.0


class Balance:
    """Spreads requests over servers; safe to share between threads.

    Example:
        >>> balance = Balance(2)
        >>> with balance.request() as index:
        ...     response = servers[index].send()
    """

    def __init__(
        self,
        servers: int,
        retries: Retries | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Start with healthy servers.

        Args:
            servers: how many there are.
            retries: how patient to be.
            clock: seconds that only grow.
            chance: numbers drawn evenly from 0..1.
        """
        self._retries = retries or Retries()
        self._servers = [_Server() for _ in range(servers)]
        self._clock, self._chance = clock, chance
        self._lock = threading.Lock()

    def healthy(self) -> int:
        """Return how many servers do not rest."""
        now = self._clock()
        with self._lock:
            return sum(server.rests_until <= now for server in self._servers)

    @contextmanager
    def request(self) -> Iterator[int]:
        """Choose a server for the block, and learn from how the block ends.

        Chosen is the one with the fewest requests in flight among those that do not rest, at random between equals; if
        all rest, the one whose rest ends first.
        """
        index = self._take()
        server = self._servers[index]
        try:
            yield index
        except SAFE as error:
            with self._lock:
                server.failures += 1
                server.rests_until = self._clock() + self._jittered(server.failures - 1)
            self._tell(error)
            raise
        else:
            with self._lock:
                server.failures, server.rests_until = 0, 0.0
            self._tell(None)
        finally:
            with self._lock:
                server.in_flight -= 1

    def pause_s(self, attempt: int) -> float | None:
        """Return how long to wait before sending a request again, or None to give up.

        Args:
            attempt: how often it was sent.

        Returns:
            0 if a server is left that does not rest.
        """
        if attempt >= self._retries.attempts:
            return None
        return 0.0 if self.healthy() else self._jittered(attempt - 1)

    def _tell(self, error: ServerError | None) -> None:
        """Let the user know how an attempt ended."""
        if self._retries.heard is not None:
            self._retries.heard(error)

    def _take(self) -> int:
        now = self._clock()
        with self._lock:
            fit = [index for index, server in enumerate(self._servers) if server.rests_until <= now]
            if fit:
                chosen = min(fit, key=lambda index: (self._servers[index].in_flight, self._chance()))
            else:
                chosen = min(range(len(self._servers)), key=lambda index: self._servers[index].rests_until)
            self._servers[chosen].in_flight += 1
            return chosen

    def _jittered(self, doublings: int) -> float:
        """Return a random part of a pause that doubles."""
        longest = min(self._retries.first_pause_s * 2.0 ** min(doublings, 30), self._retries.longest_pause_s)
        return longest * self._chance()
