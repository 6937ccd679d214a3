"""Noticing a front door that runs but does not answer; a thread of its own waits, so that the supervisor never does."""

from __future__ import annotations

import threading

from serving.canary import answers_http
from serving.run_state import Run

_PAUSE_SECONDS = 2.0
_PATIENCE_SECONDS = 4.0
_FAILURES = 2


class DoorWatch:
    """Asks the front door whether it lives, again and again."""

    def __init__(self, run: Run) -> None:
        """Start asking the front door of a server that answers already."""
        self._run, self._failures, self._over = run, 0, threading.Event()
        threading.Thread(target=self._ask, daemon=True).start()

    @property
    def hung(self) -> bool:
        """Whether it has left several questions in a row without an answer."""
        return self._failures >= _FAILURES

    def renew(self) -> None:
        """Forget the failures: another front door takes over."""
        self._failures = 0

    def close(self) -> None:
        """Stop asking."""
        self._over.set()

    def _ask(self) -> None:
        """Ask until `close`."""
        while not self._over.wait(_PAUSE_SECONDS):
            alive = answers_http(self._run.http_target, self._run.tls, _PATIENCE_SECONDS)
            self._failures = 0 if alive else self._failures + 1
