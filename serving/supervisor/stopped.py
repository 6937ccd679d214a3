"""Processes that somebody stopped (SIGSTOP, a debugger that was killed): they run, but do nothing until continued."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

import psutil

_AGAIN_SECONDS = 60.0


class StoppedProcesses:
    """Finds stopped processes of the server by their state, long before somebody notices that they do not answer.

    One that stays stopped is continued, so that nothing is lost. One that is stopped again within a minute is killed,
    and whoever started it puts another one in its place.
    """

    def __init__(self, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take how many seconds pass between two looks, and what tells the time."""
        self._pause, self._clock = pause, clock
        self._due = clock() + pause
        self._stopped: set[psutil.Process] = set()
        self._continued: dict[psutil.Process, float] = {}

    def check(self, processes: Callable[[], Iterable[psutil.Process]]) -> list[str]:
        """Check once if it is time to; returns what was done.

        Args:
            processes: returns those to look at, called when it is time to.
        """
        now = self._clock()
        if now < self._due:
            return []
        self._due = now + self._pause
        self._continued = {one: at for one, at in self._continued.items() if now - at < _AGAIN_SECONDS}
        before, self._stopped = self._stopped, {one for one in processes() if _is_stopped(one)}
        long = before & self._stopped
        self._stopped -= long
        return [self._wake(one, now) for one in sorted(long, key=lambda one: one.pid)]

    def _wake(self, process: psutil.Process, now: float) -> str:
        """Continue a process, or kill it."""
        with contextlib.suppress(psutil.Error):
            if process in self._continued:
                process.kill()
                return f"process {process.pid} was stopped again; ending it"
            process.resume()
            self._continued[process] = now
        return f"process {process.pid} was stopped; it goes on"


def _is_stopped(process: psutil.Process) -> bool:
    """Say whether a signal stopped a process; one under a debugger is in another state."""
    with contextlib.suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_STOPPED)
    return False
