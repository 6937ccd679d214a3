"""Reading ahead: a bounded number of items, all of them in order, errors after what came before them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from crosswire.clients.recorded.ahead import ReadAhead


class Counted:
    """Items of which a test knows how many were made, and whether their iterator was closed, and where."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.made, self.closed = 0, False
        self.threads: set[int] = set()
        self.enough = threading.Semaphore(0)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers from 0 on."""
        try:
            for number in range(self.count):
                self.threads.add(threading.get_ident())
                self.made += 1
                self.enough.release()
                yield number
            if self.error is not None:
                raise self.error
        finally:
            self.threads.add(threading.get_ident())
            self.closed = True


def test_no_more_than_a_few_items_are_made_before_they_are_taken() -> None:
    items = Counted(1000)
    with ReadAhead(items, ahead=3) as ahead:
        for _ in range(4):  # three wait, the fourth is made and finds no room
            items.enough.acquire()
        assert items.made == 4
        assert [ahead.take() for _ in range(10)] == list(range(10))
        assert items.made <= 14
    assert items.closed and len(items.threads) == 1 and threading.get_ident() not in items.threads


def test_an_error_comes_after_all_that_was_made_before_it_and_once() -> None:
    with ReadAhead(Counted(5, OSError("gone")), ahead=2) as ahead:
        assert [ahead.take() for _ in range(5)] == list(range(5))
        with pytest.raises(OSError, match="gone"):
            ahead.take()
        assert ahead.take() is None


def test_who_waits_is_let_go_when_reading_is_closed() -> None:
    stuck, found = threading.Event(), list[object]()

    def items() -> Iterator[int]:
        stuck.wait()
        yield 1

    with ReadAhead(items()) as ahead:
        taker = threading.Thread(target=lambda: found.append(ahead.take()))
        taker.start()
        closer = threading.Thread(target=ahead.close)
        closer.start()
        taker.join()
        stuck.set()
        closer.join()
    assert found == [None]


def test_many_takers_share_all_items() -> None:
    found: list[int] = []

    def take(ahead: ReadAhead[int]) -> None:
        while (item := ahead.take()) is not None:
            found.append(item)

    with ReadAhead(Counted(200)) as ahead:
        threads = [threading.Thread(target=take, args=(ahead,)) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert sorted(found) == list(range(200))
