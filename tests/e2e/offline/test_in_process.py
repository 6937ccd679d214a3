"""A batch without a server leaves what `crosswire batch` leaves that asks one, and goes on after any kind of end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crosswire.__main__ import main
from crosswire.clients.errors import ServerError
from crosswire.offline.engines.engine import InProcessEngine
from crosswire.offline.exported import exported
from crosswire.offline.run import OfflineOptions, run_offline
from crosswire.offline.sources.references import Part
from crosswire.offline.worker import PartReport, WorkerTask
from tests.support.offline.sources import pair_members, parquet_bytes, table_rows, tar_bytes, write_folder
from tests.support.paths import ROOT
from tests.support.servers.real import PIPELINE, REPOSITORY, depth_png, jpeg, png

EXACT = 0.9999  # of the pixels: a processor may round a value differently on one thread and on two
BAD = {"p/03": (b"no image", depth_png(32, 24)), "p/05": (jpeg(32, 24), depth_png(40, 20)), "p/09": (b"", b"")}
BAD |= {"p/11": (png(32, 24)[:300], depth_png(32, 24))}
PAIRS = {f"p/{index:02}": (jpeg(32 + index, 24), depth_png(32 + index, 24, 1500 + index)) for index in range(16)} | BAD


def offline(capsys: pytest.CaptureFixture[str], source: Path, results: Path, *more: str) -> tuple[int, str]:
    """Run the command in this process; return its code and what it says."""
    words = ["batch", str(source), str(results), "--engine", "in-process", "--pipeline", PIPELINE, "--part", "5", *more]
    return main(words), capsys.readouterr().out


def same(one: Path, other: Path) -> bool:
    """Say whether two images are the same file, or differ by a value that was rounded."""
    if one.read_bytes() == other.read_bytes():
        return True
    pixels = [np.asarray(Image.open(path)) for path in (one, other)]
    return pixels[0].shape == pixels[1].shape and bool((pixels[0] == pixels[1]).mean() >= EXACT)


def test_results_are_those_of_a_server_and_bad_items_are_rows(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_folder(tmp_path / "src", PAIRS)
    words = ["batch", str(source), str(tmp_path / "asked"), "--pipeline", PIPELINE, "--url", server.grpc_url]
    assert main([*words, "--overlay"]) == 1
    capsys.readouterr()
    code, said = offline(capsys, source, tmp_path / "out", "--overlay")
    assert code == 1 and said.startswith("12 answered; 4 failed, see error and reason in ")
    assert "workers: 1, loaded in " in said
    asked = [json.loads(line) for line in (tmp_path / "asked" / "results.jsonl").read_text().splitlines()]
    failures = [json.loads(line) for line in (tmp_path / "asked" / "failures.jsonl").read_text().splitlines()]
    rows = {row["item"]: row for row in table_rows(tmp_path / "out")}
    assert list(rows) == sorted(PAIRS)
    assert {item for item, row in rows.items() if row["error"]} == {one["stem"] for one in failures} == set(BAD)
    for failure in failures:
        row = rows[failure["stem"]]
        assert (row["error"], row["final"]) == (failure["error"], True) and row["reason"]
    for one in asked:
        row = rows[one["stem"]]
        assert dict(row["files"]) == one["files"]
        assert dict(row["shares"]) == {found["name"]: found["share"] for found in one["summary"]["classes"]}
        assert row["warnings"] == one["summary"]["warnings"] and row["timings"]["total_ms"] > 0
        assert json.loads(row["figures"]) == {key: one[key] for key in one if key not in ("stem", "files")}
        for name in one["files"].values():
            assert same(tmp_path / "asked" / name, tmp_path / "out" / name)
    kept = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert kept == {name for one in asked for name in one["files"].values()}
    code, said = offline(capsys, source, tmp_path / "other", "--overlay", "--url", server.grpc_url)
    assert code == 1 and said.startswith("12 answered; 4 failed")
    assert [row["item"] for row in table_rows(tmp_path / "other")] == sorted(PAIRS)


def test_parquet_and_archives_give_the_same_rows_and_repaired_items_are_done_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.parquet").write_bytes(parquet_bytes(PAIRS, 6))
    (tmp_path / "pairs.tar").write_bytes(tar_bytes(pair_members(PAIRS)))
    found = []
    for kind in ("parquet", "tar"):
        assert offline(capsys, tmp_path / f"pairs.{kind}", tmp_path / kind)[0] == 1
        rows = table_rows(tmp_path / kind)
        found.append([[row[name] for name in ("item", "files", "figures", "error", "reason")] for row in rows])
    assert found[0] == found[1]
    code, said = offline(capsys, tmp_path / "pairs.tar", tmp_path / "tar")
    assert code == 1 and said == "12 answered (12 of them by earlier runs); 4 failed" + said[50:]
    repaired = PAIRS | {item: PAIRS["p/00"] for item in BAD}
    (tmp_path / "pairs.tar").write_bytes(tar_bytes(pair_members(repaired)))
    code, said = offline(capsys, tmp_path / "pairs.tar", tmp_path / "tar")
    assert code == 0 and said.startswith("16 answered (12 of them by earlier runs); 4 in ")
    assert [row["error"] for row in table_rows(tmp_path / "tar")] == [None] * 16


def test_a_batch_that_is_killed_goes_on_and_leaves_one_row_and_one_file_per_item(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {f"{name}/{index}": PAIRS["p/01"] for name in "abcdef" for index in range(10)}
    source, results = write_folder(tmp_path / "src", many), tmp_path / "out"
    words = ["batch", str(source), str(results), "--engine", "in-process", "--pipeline", PIPELINE, "--part", "5"]
    command = [sys.executable, "-m", "crosswire", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True) as batch:
        while len(list((results / "table").glob("*.parquet"))) < 2:
            assert batch.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        os.killpg(batch.pid, signal.SIGKILL)
    before = len(table_rows(results))
    assert 10 <= before < 60
    code, said = offline(capsys, source, results)
    assert code == 0 and said.startswith(f"60 answered ({before} of them by earlier runs); {60 - before} in ")
    assert [row["item"] for row in table_rows(results)] == sorted(many)
    assert {path.relative_to(results / "labels").as_posix() for path in (results / "labels").rglob("*")} >= {
        f"{item}.png" for item in many
    }
    assert [path for path in results.rglob(".*")] == []


class LosingEngine(InProcessEngine):
    """Loses every other part of its first round, as if their workers had died."""

    rounds = 0

    def run(self, parts: Sequence[Part], task: WorkerTask) -> Iterator[PartReport]:
        """Do some of the parts."""
        self.rounds += 1
        return super().run(parts[::2] if self.rounds == 1 else parts, task)


class DeadEngine(InProcessEngine):
    """Loses everything."""

    def run(self, parts: Sequence[Part], task: WorkerTask) -> Iterator[PartReport]:
        """Do nothing."""
        return iter(())


def test_parts_that_an_engine_loses_are_done_anew_and_one_that_does_nothing_is_told_of(tmp_path: Path) -> None:
    good = {item: files for item, files in PAIRS.items() if item not in BAD}
    source, options = str(write_folder(tmp_path / "src", good)), OfflineOptions(part=2)
    pipeline = exported(REPOSITORY, PIPELINE)
    with pytest.raises(ServerError, match="the workers died before they had done 12 of the items"):
        run_offline(source, str(tmp_path / "dead"), pipeline, DeadEngine(), options)
    outcome = run_offline(source, str(tmp_path / "out"), pipeline, LosingEngine(), options)
    assert outcome.workers is not None and outcome.workers.rounds == 2
    assert "lost parts were done anew (2 rounds)" in outcome.as_text()
    assert [row["item"] for row in table_rows(tmp_path / "out")] == sorted(good)


def test_another_network_another_source_or_a_wrong_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_folder(tmp_path / "src", dict(list(PAIRS.items())[:2]))
    assert offline(capsys, source, tmp_path / "out")[0] == 0
    other = write_folder(tmp_path / "other", PAIRS)
    for words, reason in (
        ([str(other), str(tmp_path / "out"), "--pipeline", PIPELINE], "holds a batch with source ="),
        ([str(source), str(tmp_path / "out"), "--pipeline", f"{PIPELINE}s"], "has no pipeline"),
        ([str(source), str(tmp_path / "out")], "has several pipelines"),
        ([str(source), str(tmp_path / "out"), "--pipeline", PIPELINE, "--part", "0"], "name 1 or more"),
        ([str(tmp_path / "none"), str(tmp_path / "out"), "--pipeline", PIPELINE], "is neither a folder nor"),
    ):
        assert main(["batch", *words, "--engine", "in-process"]) == 2
        said = capsys.readouterr().err
        assert reason in said and said.startswith("error: ") and said.count("\n") == 1
