"""What a batch says while responses fail to come: who does not answer, until when it is asked, and when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crosswire.clients.balance import SAFE
from crosswire.clients.errors import DeadlineExceeded, ServerError

_SILENCE_S = 3.0
_LONGEST_GAP_S = 60.0


class Waiting:
    """Knows how long no response came and why; safe to share between threads.

    What it says is said once the silence has lasted a few seconds, then after twice as long and so on, but at least
    once a minute: a night without a server makes a log of some hundred lines, not of thousands.
    """

    def __init__(
        self,
        place: str,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        """Start with a server that answers.

        Args:
            place: the servers, as errors name them.
            timeout: how long one request is sent again and again.
            clock: seconds that only grow.
            time_of_day: seconds since 1970.
        """
        self._place, self._timeout, self._clock, self._time_of_day = place, timeout, clock, time_of_day
        self._lock = threading.Lock()
        self._begun: dict[int, float] = {}
        self._answered = clock()
        self._trouble: ServerError | None = None
        self._said = 0.0  # how long the silence had lasted when it was last spoken of
        self._back = 0.0  # how long one lasted that was spoken of and has ended

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Know that this thread waits for a request from now to the end of the block."""
        with self._lock:
            if not self._begun and not self._said:
                self._answered = self._clock()  # nobody waited before
            self._begun[threading.get_ident()] = self._clock()
        try:
            yield
        except (*SAFE, DeadlineExceeded):
            raise
        except ServerError:
            self.heard(None)  # it refuses the request: a response, too
            raise
        finally:
            with self._lock:
                del self._begun[threading.get_ident()]

    def heard(self, error: ServerError | None) -> None:
        """Take in that an attempt got a response (None), or that it failed and may be made again."""
        with self._lock:
            self._trouble = error
            if error is None:
                self._back = self._clock() - self._answered if self._said else self._back
                self._answered, self._said = self._clock(), 0.0

    def news(self) -> str:
        """Return what the user is to know now, or an empty text."""
        with self._lock:
            silence = self._clock() - self._answered
            if self._back:
                back, self._back = self._back, 0.0
                return f"{self._place} answers again after {back:.0f} s"
            if not self._begun or silence < max(_SILENCE_S, self._said + min(self._said, _LONGEST_GAP_S)):
                return ""
            self._said = silence
            end = self._time_of_day() + min(self._begun.values()) + self._timeout - self._clock()
            until = time.strftime("%H:%M:%S", time.localtime(end))
            if self._trouble is None:
                return f"no response from {self._place} for {silence:.0f} s; waiting until {until}"
            reason = str(self._trouble).partition("; ")[0]
            return f"{reason}: asking again until {until}; the batch goes on by itself when a response comes"
