"""Reading ahead: what an iterator yields is made in a thread, a few items before they are taken."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
AHEAD = 4


class ReadAhead(Generic[T]):
    """Iterates in one thread of its own, no more than a few items ahead; a context manager, for any number of takers.

    The iterator is begun, moved on and closed in that thread alone, as libraries want that bind a file to a thread.

    Example:
        >>> with ReadAhead(recording) as frames:
        ...     while (frame := frames.take()) is not None:
        ...         print(frame.time_s)
    """

    def __init__(self, items: Iterable[T], ahead: int = AHEAD) -> None:
        """Remember what is read.

        Args:
            items: iterated once.
            ahead: most items that wait.
        """
        self._items, self._ahead = items, ahead
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._over = self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)

    def __enter__(self) -> ReadAhead[T]:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading, and wait for the end of the item that is being made."""
        self.close()

    def close(self) -> None:
        """Stop reading; who waits for an item gets None."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()

    def take(self) -> T | None:
        """Return the next item as soon as there is one, None at the end.

        Raises:
            BaseException: what reading raised, once all items before it are taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over or self._closed)
            if self._waiting:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def _read(self) -> None:
        """Iterate, in the thread."""
        items: Iterator[T] | None = None
        try:
            items = iter(self._items)
            for item in items:
                if not self._put(item):
                    break
        except BaseException as error:
            self._error = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Let an item wait as soon as there is room; say whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._ahead or self._closed)
            if not self._closed:
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._closed
