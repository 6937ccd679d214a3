"""Rights that some tests need of whoever runs them: to become another user, to mount a file system.

A test says `pytestmark = pytest.mark.rights("another user")`. Without that right it is skipped, and the end of the run
names what was not tested.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import pytest

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


@dataclass(frozen=True)
class Right:
    """What not everybody may do.

    Attributes:
        tests: what is not tested without it.
        cure: how to get it.
        granted: says whether this process has it.
    """

    tests: str
    cure: str
    granted: Callable[[], bool]


def check(item: pytest.Item) -> None:
    """Skip a test whose rights are missing."""
    for marker in item.iter_markers("rights"):
        for name in marker.args:
            if not RIGHTS[name].granted():
                pytest.skip(f"{RIGHTS[name].tests}: not run; {RIGHTS[name].cure}")


def tell(terminal: pytest.TerminalReporter) -> None:
    """Write what was not tested, and how that changes."""
    for right in RIGHTS.values():
        if not right.granted():
            terminal.line(f"not run: {right.tests}; {right.cure}")


@contextmanager
def own_mounts(*sizes: tuple[str, int]) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Give a way to call functions where small file systems in memory lie over some folders.

    They and the processes that they start see these file systems; nobody else does.

    Args:
        *sizes: folders, each with the bytes that it is to hold.
    """
    calls: list[Callable[[], None]] = []
    errors: list[BaseException | None] = []
    asked, done, over = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        try:
            _mount(sizes)
            errors.append(None)
        except BaseException as error:
            errors.append(error)
        done.set()
        while not over.is_set():
            asked.wait()
            asked.clear()
            for call in calls:
                try:
                    call()
                    errors.append(None)
                except BaseException as error:
                    errors.append(error)
            calls.clear()
            done.set()

    def finish() -> None:
        done.wait()
        done.clear()
        if (error := errors.pop()) is not None:
            raise error

    def there(call: Callable[[], None]) -> None:
        calls.append(call)
        asked.set()
        finish()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        finish()
        yield there
    finally:
        over.set()
        asked.set()
        thread.join()


def _mount(sizes: tuple[tuple[str, int], ...]) -> None:
    """Give this thread mounts of its own; raises `OSError` where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)

    def succeed(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    succeed(libc.unshare(CLONE_NEWNS))
    succeed(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    for folder, size in sizes:
        succeed(libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, f"size={size}".encode()))


@cache
def _may_mount() -> bool:
    """Say whether a thread of this process may have mounts of its own."""
    try:
        with own_mounts(("/dev/shm", 1 << 20)):
            return True
    except OSError:
        return False


RIGHTS: Mapping[str, Right] = {
    "another user": Right(
        "what another user of the machine can read of a server", "run the tests as root", lambda: os.geteuid() == 0
    ),
    "mount": Right("full shared memory and a full disk", "run the tests where root may mount", _may_mount),
}
