"""Recordings through the real server: `stream` and `batch` take them as they are, and lose nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from crosswire.clients import (
    Frame,
    InputError,
    Outputs,
    Predictor,
    RecordingError,
    Segmentation,
    StreamOutcome,
    predict_folder,
    stream,
)
from crosswire.clients.__main__ import main
from crosswire.clients.recorded.open import RecordedOptions, RecordedPairs
from crosswire.clients.streaming.frames import FrameSource
from crosswire.media.cameras.register import register_depth
from tests.support.outputs.ply import read_ply
from tests.support.recordings.desk import DEPTH, SIZE, desk_jpeg, write_desk
from tests.support.recordings.ros import START, STEP
from tests.support.recordings.scans import write_sens
from tests.support.servers.real import PIPELINE

FRAMES = 12


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two cameras."""
    return write_desk(tmp_path_factory.mktemp("desk") / "desk.mcap", FRAMES, lonely=2)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("mode", ["queue", "drop"])
def test_a_recording_is_played_with_its_own_stamps_and_what_is_known_is_told_first(
    mode: str, server: Any, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, report = tmp_path / "overlay.mp4", tmp_path / "frames.jsonl"
    arguments = ["stream", str(desk), "--url", server.grpc_url, "--speed", "20", "--mode", mode]
    assert main([*arguments, "--video", str(video), "--report", str(report)]) == 0
    printed = capsys.readouterr().out.splitlines()
    facts, (counts, _), figures = printed[:-3], printed[-3:-1], json.loads(printed[-1])
    assert facts[0] == "format: MCAP" and any("a guess: " in fact for fact in facts)
    assert facts[-1] == "sent: depth moved into the colour camera, 64 x 48, as the recording's calibration says"
    assert figures["facts"] == facts and "2 images had no partner" in counts
    seen = lines(report)
    assert [(one["index"], one["stamp_ns"]) for one in seen] == [(i, START + i * STEP) for i in range(FRAMES)]
    assert all(one["depth_stamp_ns"] == one["stamp_ns"] + 2_000_000 for one in seen)
    assert all((one["latency_ms"] is None) == one["dropped"] for one in seen) and not seen[-1]["dropped"]
    assert mode == "drop" or not any(one["dropped"] for one in seen)
    with av.open(str(video)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == pytest.approx([one["time_s"] for one in seen if not one["dropped"]], abs=1e-3)


def test_results_are_those_of_the_registered_pair_and_no_image_is_kept(server: Any, desk: Path) -> None:
    got: list[tuple[Frame, Segmentation]] = []
    known: list[FrameSource] = []
    outcome = stream(
        desk,
        server.grpc_url,
        speed=0,
        deliver=lambda frame, result: got.append((frame, result)),
        at_start=known.append,
    )
    assert [frame.index for frame, _ in got] == list(range(FRAMES)) and outcome.failed == 0
    assert [one.frame.pair for one in outcome.frames] == [None] * FRAMES
    assert known[0].lens is not None and known[0].lens.size == SIZE and known[0].rate == pytest.approx(30.3, abs=0.1)
    frame, result = got[3]
    assert frame.pair is not None and result.rgb == desk_jpeg(3)
    assert frame.pair.registered.depth.shape == result.labels.shape == SIZE[::-1]
    with Predictor(server.grpc_url) as predictor:
        alone = predictor.segment(desk_jpeg(3), frame.pair.depth, depth_units_per_metre=1.0, pipeline=PIPELINE)
    assert (alone.labels == result.labels).mean() > 0.99


def test_a_recording_that_breaks_off_is_told_after_all_that_came_before(
    server: Any, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, report = desk.read_bytes(), tmp_path / "frames.jsonl"
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole[: len(whole) // 2])
    with RecordedPairs(cut, RecordedOptions()) as found, pytest.raises(RecordingError):
        good = 0
        for _ in found.frames():
            good += 1
    assert main(["stream", str(cut), "--url", server.grpc_url, "--speed", "0", "--report", str(report)]) == 2
    said = capsys.readouterr()
    assert f"{good} frames: {good} answered" in said.out and "is damaged or cut" in said.err
    assert said.err.count("\n") == 1 and [one["reason"] for one in lines(report)] == [""] * good
    ended: list[StreamOutcome] = []
    with pytest.raises(RecordingError):
        stream(cut, server.grpc_url, speed=0, at_end=ended.append)
    assert len(ended[0].frames) == good
    assert main(["batch", str(cut), str(tmp_path / "out"), "--url", server.grpc_url]) == 1
    assert f"{good} answered; 1 failed" in capsys.readouterr().out
    (failure,) = lines(tmp_path / "out" / "failures.jsonl")
    assert failure["stem"] == "cut.mcap" and "is damaged or cut" in failure["reason"]


def test_depth_that_cannot_be_decoded_is_one_failure_and_what_is_behind_it_is_answered(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(5):
        for name, pixels in (("rgb", np.full((48, 64, 3), 90, np.uint8)), ("depth", np.full((48, 64), 900, np.uint16))):
            (tmp_path / "scan" / name).mkdir(parents=True, exist_ok=True)
            path = (
                tmp_path / "scan" / name / f"{index:06d}-{33_000 * index + (7_000 if name == 'depth' else 0):012d}.png"
            )
            Image.fromarray(pixels).save(path)
            if (name, index) == ("depth", 2):
                path.write_bytes(path.read_bytes()[:60])
    assert main(["stream", str(tmp_path / "scan"), "--url", server.grpc_url, "--speed", "0"]) == 1
    assert "5 frames: 4 answered, 0 dropped, 1 failed" in capsys.readouterr().out
    for _ in range(2):
        assert main(["batch", str(tmp_path / "scan"), str(tmp_path / "out"), "--url", server.grpc_url]) == 1
        assert "4 answered" in (told := capsys.readouterr().out) and "1 failed" in told
        (failure,) = lines(tmp_path / "out" / "failures.jsonl")
        assert failure["stem"] == "000002_66000000" and "cannot be read" in failure["reason"]
    assert [one["index"] for one in lines(tmp_path / "out" / "results.jsonl")] == [0, 1, 3, 4]


def test_damage_is_told_by_every_run_of_a_batch(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where all that can be read was answered before, and the number of frames is known beforehand."""
    whole = write_sens(tmp_path / "scan.sens", 4, sizes=((64, 48), (64, 48))).read_bytes()
    (tmp_path / "scan.sens").write_bytes(whole[: len(whole) * 3 // 4])
    for _ in range(2):
        assert main(["batch", str(tmp_path / "scan.sens"), str(tmp_path / "out"), "--url", server.grpc_url]) == 1
        assert "1 failed" in capsys.readouterr().out
        (failure,) = lines(tmp_path / "out" / "failures.jsonl")
        assert failure["stem"] == "scan.sens"


def test_points_of_image_files_are_those_of_the_depth_that_the_server_moved(
    server: Any, desk: Path, tmp_path: Path
) -> None:
    """A folder with a camera is registered by the server; the cloud says where its labels are."""
    with RecordedPairs(desk, RecordedOptions(register=False)) as found:
        frame = next(found.frames())
        camera = found.recording.camera
    assert camera is not None
    for name, pixels in (("rgb", frame.rgb), ("depth", np.rint(1000 * frame.depth).astype(np.uint16))):
        (tmp_path / "files" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "files" / name / "1.png")
    (tmp_path / "camera.json").write_text(camera.to_json())
    arguments = ["stream", str(tmp_path / "files"), "--url", server.grpc_url, "--cloud", str(tmp_path / "clouds")]
    assert main([*arguments, "--camera", str(tmp_path / "camera.json")]) == 0
    (cloud,) = (tmp_path / "clouds").glob("*.ply")
    moved = register_depth(np.rint(1000 * frame.depth).astype(np.float32) / 1000, camera, size=SIZE)
    assert sorted(read_ply(cloud)[0]["z"]) == pytest.approx(sorted(moved[moved > 0]), abs=1e-3)


def test_a_report_is_not_written_over_what_is_read_or_another_output(desk: Path, tmp_path: Path) -> None:
    before = desk.read_bytes()
    for report, table in ((desk, None), (tmp_path / "t.jsonl", tmp_path / "t.jsonl")):
        with pytest.raises(InputError, match=r"name (another file|each otherwise)"):
            stream(desk, "grpc://127.0.0.1:1", report=report, outputs=Outputs(table=table))
    assert desk.read_bytes() == before


def test_a_damaged_image_in_a_recording_is_one_failure(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_desk(tmp_path / "desk.mcap", 5, broken=(0, 3))
    assert main(["stream", str(path), "--url", server.http_url, "--speed", "0"]) == 1
    said = capsys.readouterr().out
    assert "5 frames: 3 answered, 0 dropped, 2 failed" in said and f"000003_{START + 3 * STEP}: rgb: " in said
    assert main(["batch", str(path), str(tmp_path / "out"), "--url", server.http_url]) == 1
    assert [line["stem"][:6] for line in lines(tmp_path / "out" / "failures.jsonl")] == ["000000", "000003"]
    journal = tmp_path / "out" / "journal.jsonl"
    before = len(lines(journal))
    assert main(["batch", str(path), str(tmp_path / "out"), "--url", server.http_url]) == 1
    assert len(lines(journal)) == before, "a recording that did not change fails again"


def test_a_batch_of_a_recording_that_is_killed_goes_on_where_it_was(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, folder = 90, tmp_path / "out"
    source = write_desk(tmp_path / "desk.mcap", frames)
    journal = folder / "journal.jsonl"
    arguments = ["batch", str(source), str(folder), "--url", server.grpc_url]
    run = subprocess.Popen([sys.executable, "-m", "crosswire.clients", *arguments], stderr=subprocess.DEVNULL)
    while not journal.exists() or journal.read_bytes().count(b'{"done"') < frames // 4:
        assert run.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    run.kill()
    run.wait()
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"{frames} answered (")
    results = lines(folder / "results.jsonl")
    stems = [f"{index:06}_{START + index * STEP}" for index in range(frames)]
    assert [line["stem"] for line in results] == stems
    assert [line["stamp_ns"] for line in results] == [START + index * STEP for index in range(frames)]
    assert {path.stem for path in (folder / "labels").iterdir()} == set(stems)
    begun = [line["begin"] for line in lines(journal) if "begin" in line]
    assert len(begun) <= frames + 8 and sorted(line["done"] for line in lines(journal) if "done" in line) == stems
    os.utime(source, (1, 1))
    assert main(arguments) == 2
    assert "holds a batch with recordings = " in capsys.readouterr().err


def test_options_of_recordings_count_from_the_command_line_and_are_refused_for_images(
    server: Any, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = tmp_path / "camera.json"
    assert main(["recording", str(desk), "--camera-out", str(camera)]) == 0
    to = ["--url", server.grpc_url]
    words = ["batch", str(desk), str(tmp_path / "out"), *to, "--camera", str(camera), "--depth-topic", DEPTH]
    assert main([*words, "--longest-gap", "1", "--depth-units-per-metre", "1000"]) == 2
    assert "the closest 2 ms apart; allow more with --longest-gap 2.02" in capsys.readouterr().err
    assert main([*words, "--depth-units-per-metre", "1000"]) == 0
    (first,) = lines(tmp_path / "out" / "journal.jsonl")[:1]
    assert first["batch"]["depth_topic"] == DEPTH and first["batch"]["depth_units_per_metre"] == 1000.0
    assert main(["stream", str(desk), *to, "--no-register"]) == 2
    assert "another aspect ratio" in capsys.readouterr().err
    assert main(["stream", str(desk), *to, "--offset", "auto"]) == 2
    assert "has time stamps of its own" in capsys.readouterr().err
    for name in ("rgb", "depth"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    assert main(["stream", str(tmp_path / "pairs"), *to, "--camera", str(camera), "--no-register"]) == 2
    assert "leave --camera or --no-register out" in capsys.readouterr().err
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "pairs" / "rgb" / "one.png")
    assert main(["batch", str(tmp_path / "pairs"), str(tmp_path / "o"), *to, "--colour-topic", "/a"]) == 2
    assert "--colour-topic is for recordings" in capsys.readouterr().err


def test_a_folder_of_recordings_is_a_batch_with_a_folder_for_each_and_no_stream(
    server: Any, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, to = tmp_path / "day", ["--url", server.grpc_url]
    source.mkdir()
    (source / "a.mcap").write_bytes(desk.read_bytes())
    write_desk(source / "b.mcap", 3)
    outcome = predict_folder(source, tmp_path / "out", server.grpc_url)
    assert (outcome.done, outcome.failed, outcome.unmatched) == (FRAMES + 3, 0, 2)
    counts = {place.name: len(list(place.iterdir())) for place in (tmp_path / "out" / "labels").iterdir()}
    assert counts == {"a": FRAMES, "b": 3}
    assert main(["stream", str(source), *to]) == 2
    assert "holds 2 recordings (a.mcap); name one of them" in capsys.readouterr().err
    assert main(["batch", "realsense:", str(tmp_path / "live"), *to]) == 2
    assert "is a camera, which has no end" in capsys.readouterr().err
