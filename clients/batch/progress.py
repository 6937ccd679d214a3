"""A progress bar with rate and time to go, which says so when responses fail to come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO

_WIDTH = 24
_WINDOW_S = 20.0
_BAR_S, _LINE_S = 0.1, 10.0
_LOOK_S = 1.0


class Progress:
    """Counts items and shows them on a stream: a bar that moves on a terminal, a line now and then elsewhere.

    In a `with` block it also shows what there is to say of answers that fail to come, and at the end the last state.
    """

    def __init__(
        self,
        total: int | None,
        before: int,
        stream: IO[str] | None,
        news: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start to count.

        Args:
            total: how many items there are, or None where nobody knows.
            before: how many of them an earlier run did.
            stream: where to show them, usually standard error; None shows nothing.
            news: returns what the user is to know now, or an empty text; asked once a second.
            clock: seconds that only grow.
        """
        self._total, self._stream, self._news, self._clock = total, stream, news, clock
        self._count, self._failed = before, 0
        self._terminal = stream is not None and stream.isatty()
        self._began = self._shown = clock()
        self._marks = deque([(self._began, before)])
        self._lock, self._over = threading.Lock(), threading.Event()
        self._watch = threading.Thread(target=self._look_out, daemon=True)

    def __enter__(self) -> Progress:
        """Begin to look out for news."""
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Show the last state and go to the next line."""
        self._over.set()
        self._watch.join()
        with self._lock:
            self._show(self.line(), last=True)

    def step(self, *, failed: bool, count: int = 1) -> None:
        """Count one item, or some of a kind."""
        with self._lock:
            now = self._clock()
            self._count += count
            self._failed += count * failed
            self._marks.append((now, self._count))
            while now - self._marks[0][0] > _WINDOW_S:
                self._marks.popleft()
            if now - self._shown >= (_BAR_S if self._terminal else _LINE_S):
                self._shown = now
                self._show(self.line(), last=False)

    def line(self) -> str:
        """Return the bar as text, `[######      ] 150/600  25%  24.1/s  0:19 to go  3 failed`, or `150  24.1/s`."""
        rate, to_go = self.rate(), ""
        if self._total is None:
            bar = str(self._count)
        else:
            share = self._count / self._total
            bar = f"[{'#' * int(share * _WIDTH):<{_WIDTH}}] {self._count}/{self._total}  {share:4.0%}"
            to_go = f"{_clock_text((self._total - self._count) / rate)} to go" if rate else ""
        parts = [
            bar,
            f"{rate:.1f}/s",
            to_go,
            f"{self._failed} failed" if self._failed else "",
        ]
        return "  ".join(part for part in parts if part)

    def rate(self) -> float:
        """Return items per second lately."""
        (began, first), (now, last) = self._marks[0], self._marks[-1]
        return (last - first) / (now - began) if now > began else 0.0

    def check(self) -> None:
        """Show the news, if there are any, as a line of their own."""
        if news := self._news():
            with self._lock:
                self._show(news, last=True)
                self._show(self.line(), last=False)

    def _look_out(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.check()

    def _show(self, line: str, *, last: bool) -> None:
        if self._stream is None:
            return
        if self._terminal:
            print(f"\r\x1b[K{line}", end="\n" if last else "", file=self._stream, flush=True)
        else:
            print(line, file=self._stream, flush=True)


def _clock_text(seconds: float) -> str:
    """Return `m:ss`, or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
