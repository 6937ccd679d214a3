"""What a server uses writes no records of its use for anybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.servers.real import NETWORK, REPOSITORY, assert_answers, server_alone


def test_a_server_leaves_nothing_in_its_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime 1.32 of PyPI would keep an identifier of the machine and a data base of events there."""
    home, runtime = tmp_path / "home", tmp_path / "runtime"
    home.mkdir()
    runtime.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    with server_alone(runtime, REPOSITORY, networks=[NETWORK]) as server:
        assert_answers(server)
        assert list(home.rglob("*")) == []
