"""Putting a network's folder in its place in a model repository, all of it or nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crosswire.contract.contract import FILE_NAME
from crosswire.contract.errors import CrosswireError


class BuildError(CrosswireError, ValueError):
    """An export that cannot be made; the message says what was given and what is allowed."""


def check_target(name: str, max_batch: int, to: Path) -> None:
    """Refuse a name, a batch or a folder that no network can have.

    Raises:
        BuildError: with what is allowed.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise BuildError(f"name {name!r} is not allowed; use small letters, digits and _, 64 at most: rooms_cen")
    if not 1 <= max_batch <= 256:
        raise BuildError(f"max batch {max_batch} is not allowed; it is 1 to 256")
    if to.exists() and not to.is_dir():
        raise BuildError(f"{to} is not a folder; choose another one with --to")
    target = to / name
    if target.exists() and not (target / FILE_NAME).is_file() and not (target.is_dir() and not any(target.iterdir())):
        raise BuildError(f"{target} is there and is no network, so it is not replaced; choose another --name or --to")


@contextmanager
def placed(to: Path, name: str, graph: str) -> Iterator[Path]:
    """Yield a folder to write a network into, which takes its place in a repository where nothing is raised.

    Args:
        to: the model repository.
        name: of the network.
        graph: where its graph will lie in the folder; the folder of that is made.

    Raises:
        BuildError: it cannot be written.
    """
    _swept(to, name)
    partial = to / f".{name}.{os.getpid()}.partial"
    try:
        (partial / graph).parent.mkdir(parents=True)
    except OSError as error:
        raise BuildError(f"{to} cannot be written: {error}; choose another folder with --to") from error
    try:
        yield partial
        _replace(partial, to / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _swept(to: Path, name: str) -> None:
    """Remove what exports of a name left that were killed."""
    for path in to.glob(f".{name}.*.partial"):
        number = path.name.removeprefix(f".{name}.").removesuffix(".partial")
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    """Say whether a process of a number is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _replace(new: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
