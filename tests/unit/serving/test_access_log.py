"""The access log outlives a full disk: every line is whole, and those after it are there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from crosswire.serving.gateway.access_log import AccessLog, AccessLogged
from crosswire.serving.gateway.grpc.request import model_named
from crosswire.serving.gateway.metrics import Metrics
from crosswire.serving.gateway.tracing import NoTracing

PIECES = [
    {"type": "http.response.start", "status": 200, "headers": []},
    {"type": "http.response.body", "body": b"first ", "more_body": True},
    {"type": "http.response.body", "body": b"last"},
]


class Disk:
    """A disk that takes a last piece and is full then, until it is emptied."""

    full, room = False, 20

    def __init__(self) -> None:
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        """Do what `os.write` does."""
        if not self.full:
            return self._write(descriptor, data)
        piece, self.room = bytes(data)[: self.room], 0
        if not piece:
            raise OSError(errno.ENOSPC, "no space left")
        return self._write(descriptor, piece)


def test_a_disk_that_was_full_costs_no_answer_and_tears_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, disk = tmp_path / "access.jsonl", Disk()
    monkeypatch.setattr(os, "write", disk.write)
    with path.open("wb") as log:
        journal = AccessLog(Metrics(), log.fileno(), NoTracing())
        for number in range(2000):  # far more than is kept while there is no room
            disk.full = 100 <= number < 1990
            journal.ended("http", "/", str(number), journal.began("http", {}))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    told = [int(line["status"]) for line in lines if "status" in line]
    assert told == sorted(told) and {*range(100), *range(1991, 2000)} <= set(told) < set(range(2000))
    assert len(told) + sum(line.get("left_out", 0) for line in lines) == 2000


@pytest.mark.parametrize(("sent", "status", "size"), [(3, 200, 10), (2, 200, 6), (0, 500, 0)])
def test_a_line_is_written_before_the_last_piece_of_an_answer_is_sent(
    sent: int, status: int, size: int, tmp_path: Path
) -> None:
    path, lines_at = tmp_path / "access.jsonl", []

    async def app(_: Any, __: Any, send: Any) -> None:
        for piece in PIECES[:sent]:
            await send(dict(piece))
        if sent < len(PIECES):
            raise RuntimeError("the application fails")

    async def send(_: Any) -> None:
        lines_at.append(path.read_text().count("\n"))

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with path.open("wb") as log, contextlib.suppress(RuntimeError):
        asyncio.run(AccessLogged(app, AccessLog(Metrics(), log.fileno(), NoTracing()))(scope, receive, send))
    assert lines_at == [0, 0, 1][:sent]
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["status"], line["bytes_out"]) == (str(status), size)


def test_the_name_of_a_model_is_read_whatever_follows_it() -> None:
    assert model_named(b"\x0a\x01a\xff\xff", 256) == "a"
    assert model_named(b"\x0a\x03\xff\xc3\xa4", 256) == "\ufffdä"
    assert model_named(b"\x0a\x80\x02" + b"a" * 256, 3) == "aaa"
    assert {model_named(data, 256) for data in (b"", b"\x0a", b"\x0a\xff", b"\x0a\xff\xff", b"\x12\x01a")} == {""}
