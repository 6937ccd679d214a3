"""Atomic writes: a file is there as a whole or not at all, however a process ends."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Names of temporary files in a folder that several processes write into; short, whatever the file is called.
_SHARED = f".{'[0-9a-f]' * 32}.tmp"


@contextlib.contextmanager
def atomic_path(path: Path, *, shared: bool = False, make_folder: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside a file, whose place it takes where nothing is raised.

    Where something is raised, the temporary file is removed and an older file of that name is untouched.

    Args:
        path: of the file.
        shared: whether several processes may write the file at once. Each then has a temporary name of its own, and
            what a killed one leaves is for `sweep`; otherwise the next write of the file takes the leftover over.
        make_folder: whether a folder that is missing is made.

    Raises:
        OSError: it cannot be written.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(temporary_name() if shared else f".{path.name}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # what went wrong first is what to tell
            temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes, *, shared: bool = False, make_folder: bool = True, mode: int = 0o666) -> None:
    """Write a file, all of it or nothing; see `atomic_path`.

    Args:
        path: of the file.
        data: its content.
        shared: whether several processes may write the file at once.
        make_folder: whether a folder that is missing is made.
        mode: the file's permissions, before the umask.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_path(path, shared=shared, make_folder=make_folder) as temporary:
        descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, all of it or nothing; its folder is made."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write plain JSON types, one line per value, all of it or nothing; the file's folder is made."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def sweep(folder: Path) -> None:
    """Remove what killed processes left half written in a shared folder; nobody may be writing there now."""
    for path in folder.glob(_SHARED):
        path.unlink(missing_ok=True)


def temporary_name() -> str:
    """Return a name that no other process uses, of those that `sweep` removes."""
    return f".{uuid.uuid4().hex}.tmp"
