"""Noticing a gateway that runs but does not answer; a thread of its own waits, so that the supervisor never does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from crosswire.serving.config.settings import Pace
from crosswire.serving.processes.run_state import ServerRun
from crosswire.serving.supervisor.probe import responds_over_http

_MOST_PATIENCE_SECONDS = 4.0
_FAILURES = 2


class GatewayWatch:
    """Asks the gateway whether it lives, again and again."""

    def __init__(
        self, run: ServerRun, pace: Pace, start_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start asking the gateway of a server that answers already, at this pace.

        Another one may take `start_seconds` until its first answer: a busy machine needs its time to start it.
        """
        self._run, self._failures, self._over = run, 0, threading.Event()
        self._start_seconds, self._clock = start_seconds, clock
        self._started = True
        self._due = 0.0
        self._pause = pace.seconds
        self._patience = min(pace.patience_seconds, _MOST_PATIENCE_SECONDS)
        threading.Thread(target=self._ask, daemon=True).start()

    @property
    def hung(self) -> bool:
        """Whether it has left several requests in a row without an answer, or was never there to answer one."""
        return self._failures >= _FAILURES if self._started else self._clock() > self._due

    def renew(self) -> None:
        """Forget the failures: another gateway takes over."""
        self._started, self._failures = False, 0
        self._due = self._clock() + self._start_seconds

    def close(self) -> None:
        """Stop asking."""
        self._over.set()

    def _ask(self) -> None:
        """Ask until `close`."""
        while not self._over.wait(self._pause):
            alive = responds_over_http(self._run.http_target, self._run.tls, self._patience)
            self._started = self._started or alive
            self._failures = 0 if alive or not self._started else self._failures + 1
