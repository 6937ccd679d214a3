"""The access log outlives a full disk: every line is whole, and those after it are there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
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


class Disk(io.FileIO):
    """A file on a disk that takes a last piece and is full then, until it is emptied."""

    full, room = False, 20

    def write(self, data: Any) -> int:  # noqa: D102
        if not self.full:
            return super().write(data)
        piece, self.room = bytes(data)[: self.room], 0
        if not piece:
            raise OSError(errno.ENOSPC, "no space left")
        return super().write(piece)


def test_a_disk_that_was_full_costs_no_answer_and_tears_no_line(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    disk = Disk(path, "w")
    with io.TextIOWrapper(io.BufferedWriter(disk), encoding="utf-8") as log:
        journal = AccessLog(Metrics(), log, NoTracing())
        for number in range(400):  # far more than is kept while there is no room
            disk.full = 100 <= number < 390
            journal.ended("http", "/", str(number), journal.began("http", {}))
    told = [int(json.loads(line)["status"]) for line in path.read_text().splitlines()]
    assert told == sorted(told) and {*range(100), *range(390, 400)} <= set(told) < set(range(400))


@pytest.mark.parametrize(("sent", "status", "size"), [(3, 200, 10), (2, 200, 6), (0, 500, 0)])
def test_a_line_is_written_before_the_last_piece_of_an_answer_is_sent(sent: int, status: int, size: int) -> None:
    log, lines_at = io.StringIO(), []

    async def app(_: Any, __: Any, send: Any) -> None:
        for piece in PIECES[:sent]:
            await send(dict(piece))
        if sent < len(PIECES):
            raise RuntimeError("the application fails")

    async def send(_: Any) -> None:
        lines_at.append(log.getvalue().count("\n"))

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with contextlib.suppress(RuntimeError):
        asyncio.run(AccessLogged(app, AccessLog(Metrics(), log, NoTracing()))(scope, receive, send))
    assert lines_at == [0, 0, 1][:sent]
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["status"], line["bytes_out"]) == (str(status), size)


def test_the_name_of_a_model_is_read_whatever_follows_it() -> None:
    assert model_named(b"\x0a\x01a\xff\xff", 256) == "a"
    assert model_named(b"\x0a\x03\xff\xc3\xa4", 256) == "\ufffdä"
    assert model_named(b"\x0a\x80\x02" + b"a" * 256, 3) == "aaa"
    assert {model_named(data, 256) for data in (b"", b"\x0a", b"\x0a\xff", b"\x0a\xff\xff", b"\x12\x01a")} == {""}
