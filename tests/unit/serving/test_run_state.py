"""Run-state folders that come and go, and ports that somebody takes meanwhile, end no command in a traceback."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crosswire.serving.errors import ServingError
from crosswire.serving.processes import ports
from crosswire.serving.processes.run_state import ServerRun, run_state, write_run
from crosswire.serving.processes.running import running_servers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run-state folder that no server holds."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = tmp_path / "crosswire" / "run-gone"
    made.mkdir(parents=True)
    made.parent.chmod(0o700)
    return made


def test_a_look_at_a_folder_puts_nothing_into_it(folder: Path) -> None:
    assert running_servers() == ()
    assert list(folder.iterdir()) == []


def test_a_folder_that_vanishes_while_it_is_looked_at_is_no_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def too_late(path: Any, *more: Any, **options: Any) -> int:
        if Path(path) == folder / "lock":
            folder.rmdir()
        return real(path, *more, **options)

    monkeypatch.setattr(os, "open", too_late)
    assert running_servers() == ()
    assert not folder.exists()


def test_a_server_of_another_version_is_not_shown_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with run_state() as old, run_state() as own:
        (old.folder / "run.json").write_text('{"host": "127.0.0.1", "metrics_port": 8002}')
        write_run(own.folder, ServerRun("127.0.0.1", 1, 2, "unix:nowhere", "nowhere"))
        assert [one.folder for one in running_servers()] == [own.folder]


def test_what_is_left_of_a_dead_server_is_removed_by_the_next(folder: Path) -> None:
    region = Path("/dev/shm") / f"crosswire_test_{os.getpid()}_one"
    region.touch()
    (folder / "shm_prefix").write_text(region.name.removesuffix("one"))
    with run_state() as state:
        assert not region.exists()
        assert list(folder.parent.glob("run-*")) == [state.folder]


def test_a_port_that_is_taken_while_it_is_reserved_says_by_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ports.listen
    with socket.socket() as foreign:

        @contextmanager
        def raced(*wanted: Any) -> Iterator[socket.socket]:
            with real(*wanted) as probe:
                address = probe.getsockname()
                yield probe
            foreign.bind(address)
            foreign.listen()

        monkeypatch.setattr(ports, "listen", raced)
        with pytest.raises(ServingError, match=rf"port \d+ is taken by process {os.getpid()} .*--grpc-port PORT"):
            ports.reserve(ports.LOOPBACK, 0, "--grpc-port")


def test_a_dead_server_leaves_no_folder_of_its_triton_to_the_next_and_no_other_is_touched(folder: Path) -> None:
    made, used = (Path("/tmp") / f"python_env_{secrets.token_hex(3)}" for _ in range(2))
    other = folder.parent / "other"
    for one in (made, used, used / "packed", other):
        one.mkdir()
    (folder / "environments").write_text(f"{made}\n{used}\n{other}\n/tmp/python_env_\n")
    with run_state():
        assert not made.exists() and not folder.exists()
        assert (used / "packed").is_dir() and other.is_dir()
    (used / "packed").rmdir()
    used.rmdir()
