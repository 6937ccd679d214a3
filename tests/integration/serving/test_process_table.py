"""Reading process tables: who runs, in which group, below whom, and on which port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from crosswire.serving.processes.process_table import (
    command_of,
    descendants_of,
    is_running,
    listeners_on,
    members_of,
    name_of,
    parent_of,
)
from tests.support.servers.real import wait_until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A shell in a process group of its own, with a process below it."""
    process = subprocess.Popen(["/bin/sh", "-c", "sleep 3600 & wait"], start_new_session=True)
    wait_until(lambda: len(descendants_of(process.pid)) == 1)
    yield process
    for one in members_of(process.pid):
        one.kill()
    process.wait()


def test_a_process_is_known_by_its_group_its_parent_and_its_command(sleeper: subprocess.Popen[bytes]) -> None:
    (below,) = descendants_of(sleeper.pid)
    wait_until(lambda: name_of(below) == "sleep")
    assert sorted(one.pid for one in members_of(sleeper.pid)) == sorted((sleeper.pid, below))
    assert (parent_of(below), parent_of(sleeper.pid)) == (sleeper.pid, os.getpid())
    assert command_of(below) == ["sleep", "3600"]
    assert below in descendants_of(os.getpid())


def test_a_process_that_has_ended_but_is_not_waited_for_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    seen = psutil.Process(sleeper.pid)
    assert is_running(sleeper.pid) and is_running(seen)
    sleeper.kill()
    wait_until(lambda: seen.status() == psutil.STATUS_ZOMBIE)
    assert not is_running(sleeper.pid) and not is_running(seen)
    assert sleeper.pid not in {one.pid for one in members_of(sleeper.pid)}


def test_of_a_process_that_there_is_not_nothing_is_told() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        seen = psutil.Process(ended.pid)
        ended.wait()
    gone = ended.pid
    assert not is_running(gone) and not is_running(seen)
    assert (parent_of(gone), command_of(gone), name_of(gone)) == (None, [], "")
    assert (descendants_of(gone), members_of(gone)) == ((), ())


def test_everyone_who_holds_a_listening_socket_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port, silent = listener.getsockname()[1], bound.getsockname()[1]
        heir = subprocess.Popen(["sleep", "3600"], pass_fds=[listener.fileno()])
        try:
            assert listeners_on(port) == {os.getpid(), heir.pid}
            assert listeners_on(silent) == frozenset(), "it is bound, and does not listen"
        finally:
            heir.kill()
            heir.wait()
    assert listeners_on(port) == frozenset()
