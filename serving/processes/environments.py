"""The folder that Triton's python backend makes for itself at every start, and leaving none of them behind.

It is for packed Python environments, which no model of ours has, and stays empty. Triton 2.51 makes it in /tmp whatever
TMPDIR says, by a random name that it tells nobody, and does not remove it when it is killed. So its name is looked for
where it is: in Triton's own memory, which a parent may read where the system does not forbid it.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

_RECORD = "environments"
_PATH = re.compile(rb"/tmp/python_env_[A-Za-z0-9]{6}(?=\0)")
_LARGEST_REGION = 64 << 20  # glibc's for a thread's memory; what is larger are stacks and weights
_PAUSE_SECONDS = 0.1


class Environments:
    """The folders of one server's Tritons, one after the other; their names lie in the server's run-state folder."""

    def __init__(self, folder: Path) -> None:
        """Take the run-state folder."""
        self._folder = folder
        self._noted, self._due = False, 0.0

    def read(self, pid: int) -> None:
        """Note the folder of a Triton, once it is there; call again and again while Triton starts."""
        if self._noted or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _PAUSE_SECONDS
        if (found := environment_of(pid)) is not None:
            with contextlib.suppress(OSError), (self._folder / _RECORD).open("a", encoding="utf-8") as record:
                record.write(f"{found}\n")
                self._noted = True

    def sweep(self) -> None:
        """Remove the folders of Tritons that have ended."""
        sweep(self._folder)
        self._noted = False


def sweep(folder: Path) -> None:
    """Remove what the Tritons of a server that has ended made, by the names in its run-state folder."""
    record = folder / _RECORD
    with contextlib.suppress(OSError):
        for line in record.read_bytes().splitlines():
            if _PATH.match(line + b"\0"):
                with contextlib.suppress(OSError):  # somebody put something into it, or it is gone
                    Path(line.decode()).rmdir()
        record.unlink()


def environment_of(pid: int) -> Path | None:
    """Return the folder that a Triton made, or None if it has not yet or its memory cannot be read."""
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            place, rights, _, _, inode, *name = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if rights[:2] != "rw" or inode != "0" or name not in ([], ["[heap]"]) or end - start > _LARGEST_REGION:
                continue
            with contextlib.suppress(OSError):  # it was given back just now
                memory.seek(start)
                for found in _PATH.findall(memory.read(end - start)):
                    if (path := Path(found.decode())).is_dir():
                        return path
    return None
