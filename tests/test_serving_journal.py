"""The access log outlives a full disk: every line is whole, and those after it are there."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

from serving.front_door.grpc_request import model_named
from serving.front_door.journal import Journal
from serving.front_door.meters import Meters
from serving.front_door.tracing import NoTracing


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
        journal = Journal(Meters(), log, NoTracing())
        for number in range(400):  # far more than is kept while there is no room
            disk.full = 100 <= number < 390
            journal.ended("http", "/", str(number), journal.began("http", {}))
    told = [int(json.loads(line)["status"]) for line in path.read_text().splitlines()]
    assert told == sorted(told) and {*range(100), *range(390, 400)} <= set(told) < set(range(400))


def test_the_name_of_a_model_is_read_whatever_follows_it() -> None:
    assert model_named(b"\x0a\x01a\xff\xff", 256) == "a"
    assert model_named(b"\x0a\x03\xff\xc3\xa4", 256) == "\ufffdä"
    assert model_named(b"\x0a\x80\x02" + b"a" * 256, 3) == "aaa"
    assert {model_named(data, 256) for data in (b"", b"\x0a", b"\x0a\xff", b"\x0a\xff\xff", b"\x12\x01a")} == {""}
