"""An event loop whose time a test holds: when everything waits, it is at once the moment that is waited for.

Nothing outside of the process can be waited for: no socket, no thread. Work for threads is done on the spot.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Found = TypeVar("Found")


class _Jumps(selectors.SelectSelector):
    """Waits for nothing; what would have been waited is time that has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return at once what is ready."""
        if not (ready := super().select(0)):
            assert timeout is not None, "everything waits, and nobody will ever go on"
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumps.now

    def lose(self, seconds: float) -> None:
        """Let time pass during which nothing runs, as when others have the processor."""
        self._jumps.now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run a function on the spot, which takes no time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def virtual_loop() -> VirtualLoop:
    """Return the loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def run_virtually(main: Coroutine[Any, Any, Found]) -> Found:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


class Clock:
    """Seconds that pass when told to, for what asks a clock and waits for nothing."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now
