"""Folder and stream as Python calls: what the commands do, and what a program gets back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from crosswire.clients import Frame, InputError, Segmentation, ServerUnreachable, StreamOutcome, predict_folder, stream
from crosswire.clients.__main__ import main
from tests.integration.clients.test_stream import FRAMES, LONELY, write_tum
from tests.support.servers.real import depth_png, jpeg


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four pairs, one of them without depth."""
    for kind, data, ending in (("rgb", jpeg(32, 24), "jpg"), ("depth", depth_png(32, 24), "png")):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for index in range(4):
            (tmp_path / "pairs" / kind / f"f{index}.{ending}").write_bytes(data)
    (tmp_path / "pairs" / "depth" / "f2.png").unlink()
    return tmp_path / "pairs"


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder but the log, whose order is that of the threads."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "journal.jsonl"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_folder_is_predicted_as_by_the_command_and_taken_up_again(server: Any, pairs: Path, tmp_path: Path) -> None:
    shown = io.StringIO()
    outcome = predict_folder(pairs, tmp_path / "called", server.grpc_url, overlay=True, progress=shown)
    assert (outcome.done, outcome.before, outcome.failed) == (3, 0, 1) and "4/4  100%" in shown.getvalue()
    words = ["batch", str(pairs), str(tmp_path / "commanded"), "--url", server.grpc_url, "--overlay"]
    assert main(words) == 1
    called, commanded = files_of(tmp_path / "called"), files_of(tmp_path / "commanded")
    assert called == commanded and len(called) == 3 * 2 + 2
    assert [json.loads(line)["stem"] for line in outcome.results.read_text().splitlines()] == ["f0", "f1", "f3"]
    assert "no file depth/f2" in outcome.failures.read_text() and "3 answered; 1 failed" in outcome.as_text()

    (pairs / "depth" / "f2.png").write_bytes(depth_png(32, 24))
    again = predict_folder(str(pairs), str(tmp_path / "called"), [server.http_url, server.grpc_url], overlay=True)
    assert (again.done, again.before, again.failed) == (4, 3, 0) and again.failures.read_text() == ""


def test_a_folder_call_refuses_what_makes_no_sense_before_a_server_is_started(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the window is 0"):
        predict_folder(pairs, tmp_path / "out", window=0, repository=tmp_path / "nothing")
    with pytest.raises(ServerUnreachable, match="no server answers at"):
        predict_folder(pairs, tmp_path / "out", "grpc://127.0.0.1:9")
    assert not (tmp_path / "out").exists()


def test_a_stream_hands_every_result_over_in_order(server: Any, tmp_path: Path) -> None:
    write_tum(tmp_path / "desk")
    came: list[tuple[int, int]] = []

    def deliver(frame: Frame, result: Segmentation) -> None:
        came.append((frame.index, result.labels.ndim))

    told: list[StreamOutcome] = []
    report = tmp_path / "report.jsonl"
    outcome = stream(tmp_path / "desk", server.grpc_url, deliver=deliver, speed=200, report=report, at_end=told.append)
    assert came == [(index, 2) for index in range(FRAMES)]
    assert told == [outcome] and (outcome.failed, outcome.unmatched) == (0, LONELY)
    assert outcome.figures()["answered"] == FRAMES == len(outcome.frames)
    said = [json.loads(line) for line in report.read_text().splitlines()]
    assert said == [one.figures() for one in outcome.frames] and all(one["latency_ms"] > 0 for one in said)
    assert outcome.save(tmp_path / "same.jsonl")["report"].read_bytes() == report.read_bytes()


def test_a_stream_that_ends_before_time_tells_what_came(server: Any, tmp_path: Path) -> None:
    write_tum(tmp_path / "desk")
    told: list[StreamOutcome] = []

    def deliver(frame: Frame, _: Segmentation) -> None:
        if frame.index == 2:
            raise KeyError("a mistake of the caller")

    with pytest.raises(KeyError, match="a mistake of the caller"):
        stream(tmp_path / "desk", server.grpc_url, deliver=deliver, speed=0, at_end=told.append)
    (outcome,) = told
    assert 3 <= len(outcome.frames) <= FRAMES and outcome.frames[0].latency_ms is not None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mode": "skip"}, "got mode 'skip', expected queue or drop"),
        ({"window": 0}, "window is 0"),
        ({"video": "out.gif"}, "out.gif is no video"),
        ({"depth_units_per_metre": -1.0}, "depth_units_per_metre is -1"),
    ],
)
def test_a_stream_call_refuses_what_makes_no_sense_before_a_server_is_started(
    options: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        stream(tmp_path, repository=tmp_path / "nothing", **options)
