"""Writing results: whole files or none, and errors that say where to write instead."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crosswire.clients.errors import OutputError
from crosswire.contract.atomic_write import temporary_name, write_bytes


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Make a folder if needed and prove that it can be written to.

    Raises:
        OutputError: it cannot.
    """
    place = Path(folder)
    probe = place / temporary_name()
    try:
        place.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as error:
        raise OutputError(
            f"cannot write to the folder {place} ({_reason(error)}); name one that you may write to"
        ) from error
    return place


def write_whole(path: Path, data: bytes, *, make_folder: bool = False) -> Path:
    """Write a file under a temporary name beside it, then rename it, so that nobody ever sees half of it.

    Args:
        path: of the file.
        data: its content.
        make_folder: whether a folder that is missing is made.

    Raises:
        OutputError: it cannot be written; an older file of that name is untouched.
    """
    try:
        write_bytes(path, data, shared=True, make_folder=make_folder)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path} ({_reason(error)}); name a place that you may write to") from error
    return path


def write_json_lines(path: Path, entries: Iterable[Any]) -> Path:
    """Write plain JSON types, one entry a line; see `write_whole`."""
    return write_whole(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode())


def write_json(path: Path, content: Any) -> Path:
    """Write plain JSON types as a file that people read too; see `write_whole`."""
    return write_whole(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def _reason(error: Exception) -> object:
    """Return the system's words without number and path."""
    return getattr(error, "strerror", None) or error
