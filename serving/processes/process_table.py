"""The processes of this machine, as psutil reads them: which run, in which group, below whom, on which port."""

from __future__ import annotations

import contextlib
import os

import psutil

_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def is_running(process: int | psutil.Process) -> bool:
    """Say whether a process runs and is no zombie.

    Args:
        process: its id; or the object made while it ran, which tells it from a later process with the same id.
    """
    try:
        if isinstance(process, int):
            return not _has_ended(psutil.Process(process))
        return bool(process.is_running()) and not _has_ended(process)
    except psutil.NoSuchProcess:
        return False


def _has_ended(process: psutil.Process) -> bool:
    """Say whether a process is a zombie; one that does not let itself be looked at is none."""
    with contextlib.suppress(psutil.AccessDenied):
        return bool(process.status() in _ENDED)
    return False


def members_of(group: int) -> tuple[psutil.Process, ...]:
    """Return the processes of a process group that run."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            # The supervisor asks this all the time: of what was made just now, its state tells enough.
            if os.getpgid(pid) == group and not _has_ended(one := psutil.Process(pid)):
                found.append(one)
    return tuple(found)


def descendants_of(pid: int) -> tuple[int, ...]:
    """Return the ids of the processes below a process, zombies too, in ascending order."""
    try:
        return tuple(sorted(one.pid for one in psutil.Process(pid).children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()


def listeners_on(port: int) -> frozenset[int]:
    """Return the ids of the processes that listen on a TCP port, of those whose sockets this user may see."""
    found = set()
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            sockets = psutil.Process(pid).net_connections("tcp")
            if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets):
                found.add(pid)
    return frozenset(found)


def parent_of(pid: int) -> int | None:
    """Return the id of a process's parent, or None where there is no such process."""
    try:
        return int(psutil.Process(pid).ppid())
    except psutil.Error:
        return None


def command_of(pid: int) -> list[str]:
    """Return the words of a process's command line; none where there is no such process or it does not tell."""
    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def name_of(pid: int) -> str:
    """Return the name of a process's program, or nothing where there is no such process."""
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""
