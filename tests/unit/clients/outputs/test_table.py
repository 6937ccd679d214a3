"""A row per frame, read back by other readers than wrote it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from crosswire.clients import InputError, OutputError
from crosswire.clients.streaming.outputs.table import TableWriter
from tests.support.outputs.labelled import labelled

NAMES = ["index", "time_s", "stamp_ns", "latency_ms", "mean_confidence", "warnings"]
FRAMES = [labelled(0), labelled(1), labelled(5, latency_ms=None)]


def write(path: Path) -> Path:
    with TableWriter(path) as table:
        for frame in FRAMES:
            table.add(frame)
    return path


def test_a_line_of_json_says_all_of_a_frame(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write(tmp_path / "out/t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(FRAMES)
    for row, frame in zip(rows, FRAMES, strict=True):
        result = frame.result
        assert list(row) == [*NAMES, *(f"share.{name}" for name in result.class_names)]
        assert (row["index"], row["stamp_ns"], row["latency_ms"]) == (frame.index, frame.stamp_ns, frame.latency_ms)
        assert row["time_s"] == pytest.approx(frame.time_s, abs=1e-9)
        assert row["mean_confidence"] == result.mean_confidence
        assert row["warnings"] == "; ".join(result.warnings)
        assert [row[f"share.{name}"] for name in result.class_names] == list(result.shares.values())


def test_a_csv_is_the_same_with_names_in_its_first_line_and_nothing_where_nothing_is_known(tmp_path: Path) -> None:
    with write(tmp_path / "t.CSV").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["warnings"] for row in rows] == ["; ".join(frame.result.warnings) for frame in FRAMES]
    assert [row["latency_ms"] for row in rows] == ["12.5", "12.5", ""]
    assert [int(row["stamp_ns"]) for row in rows] == [frame.stamp_ns for frame in FRAMES]
    assert [float(row["share.floor"]) for row in rows] == [frame.result.shares["floor"] for frame in FRAMES]
    assert len(set(map(len, rows))) == 1


def test_a_table_without_a_frame_and_one_of_another_kind(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "none.csv"):
        pass
    assert (tmp_path / "none.csv").read_text() == ""
    with pytest.raises(InputError, match=r"expected a file that ends in \.csv, \.jsonl, \.parquet; try frames\.csv"):
        TableWriter(tmp_path / "t.xlsx")
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*t\.csv \(Is a directory\)"):
        TableWriter(tmp_path / "t.csv")
