"""Writing files whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from crosswire.clients.errors import OutputError


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Make a folder if needed and prove that it can be written to.

    Raises:
        OutputError: it cannot.
    """
    place = Path(folder)
    probe = place / _temporary_name()
    try:
        place.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as error:
        raise OutputError(
            f"cannot write to the folder {place} ({_reason(error)}); name one that you may write to"
        ) from error
    return place


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file under a temporary name beside it, then rename it, so that nobody ever sees half of it.

    Raises:
        OutputError: it cannot be written; an older file of that name is untouched.
    """
    temporary = path.with_name(_temporary_name())
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path} ({_reason(error)}); name a place that you may write to") from error
    return path


def sweep(folder: Path) -> None:
    """Remove what a process that was killed left half written in a folder; nobody else may be writing there."""
    for path in folder.glob(f".{'[0-9a-f]' * 32}.tmp"):
        path.unlink(missing_ok=True)


def _temporary_name() -> str:
    return f".{uuid.uuid4().hex}.tmp"


def _reason(error: Exception) -> object:
    """Return the system's words without number and path."""
    return getattr(error, "strerror", None) or error
