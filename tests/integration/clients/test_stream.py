"""Streams: frames are paired by time, answers keep the order, and nothing is dropped unless that was asked for."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from crosswire.clients import AsyncPredictor, InputError, OutputError, Segmentation
from crosswire.clients.__main__ import main
from crosswire.clients.inputs.recordings import Pairing, associate
from crosswire.clients.streaming.frames import read_sequence
from crosswire.clients.streaming.run import Mode, StreamOptions
from crosswire.clients.streaming.video import VideoWriter
from crosswire.serving.processes.embedded import EmbeddedServer
from tests.support.servers.pipelines import described
from tests.support.servers.real import NETWORK, REPOSITORY, depth_png, jpeg

PAIR = described("p", "n", "segmentation", ("rgb_image", "depth_image"))
FRAMES, LONELY, BEGIN = 100, 3, 1_305_031_102.175


def write_tum(folder: Path, frames: int = FRAMES) -> list[float]:
    """Write a recording at 30 frames a second whose depth sensor ticks 1..19 ms off; return the depth's delays.

    Three more colour pictures have a depth picture that is 21 ms away.
    """
    delays = np.random.default_rng(3).uniform(-0.019, 0.019, frames)
    lists: dict[str, list[str]] = {"rgb": ["# timestamp filename"], "depth": ["# timestamp filename"]}
    for kind in lists:
        (folder / kind).mkdir(parents=True)
    moments = [(BEGIN + index / 15, float(delay)) for index, delay in enumerate(delays)]
    moments += [(BEGIN + (frames + index) / 15, 0.021) for index in range(LONELY)]
    for index, (moment, delay) in enumerate(moments):
        for kind, stamp, data in (
            ("rgb", moment, jpeg(32, 24)),
            ("depth", moment + delay, depth_png(32, 24, 5000 + 10 * index)),
        ):
            name = f"{kind}/{stamp:.6f}.{'jpg' if kind == 'rgb' else 'png'}"
            (folder / name).write_bytes(data)
            lists[kind].append(f"{stamp:.6f} {name}")
    for kind, lines in lists.items():
        (folder / f"{kind}.txt").write_text("\n".join(lines) + "\n")
    return [float(delay) for delay in delays]


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_colour_and_depth_are_paired_by_time_within_20_ms(tmp_path: Path) -> None:
    delays = write_tum(tmp_path)
    recording = read_sequence(tmp_path, PAIR)
    assert (len(recording.frames), recording.unmatched, recording.units_per_metre) == (FRAMES, LONELY, 5000.0)
    assert recording.rate == pytest.approx(15, rel=0.01)
    for frame, delay in zip(recording.frames, delays, strict=True):
        assert float(frame.depth.stem) - float(frame.name) == pytest.approx(delay, abs=2e-6)
    assert len(read_sequence(tmp_path, PAIR, Pairing(0.022)).frames) == FRAMES + LONELY
    with pytest.raises(InputError, match=r"lie within 0\.001 ms; allow more with --longest-gap"):
        read_sequence(tmp_path, PAIR, Pairing(1e-6))
    (tmp_path / "rgb.txt").write_text("1.0\n")
    with pytest.raises(InputError, match=r"rgb.txt:1 is '1.0'; write TIMESTAMP FILE"):
        read_sequence(tmp_path, PAIR)


def test_the_closest_are_paired_first_and_each_only_once() -> None:
    assert associate([0.0, 0.03, 0.06], [0.005, 0.028, 0.033], 0.02) == [(0, 0), (1, 1)]
    assert associate([0.010, 0.0], [0.009, 0.02], 0.02) == [(1, 1), (0, 0)]
    assert associate([0.010, 0.0], [0.009], 0.02) == [(0, 0)]
    assert associate([], [1.0], 0.02) == []


@pytest.mark.parametrize("mode", [Mode.QUEUE, Mode.DROP])
def test_frames_that_come_too_fast_wait_or_are_dropped_and_order_is_kept(
    mode: Mode, server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tum(tmp_path / "desk")
    video, report = tmp_path / "out" / "overlay.mp4", tmp_path / "out" / "frames.jsonl"
    arguments = ["stream", str(tmp_path / "desk"), "--url", server.grpc_url, "--mode", mode.value, "--speed", "200"]
    assert main([*arguments, "--video", str(video), "--report", str(report)]) == 0
    printed = capsys.readouterr().out.splitlines()
    figures = json.loads(printed[-1])
    seen = lines(report)
    assert [one["index"] for one in seen] == list(range(FRAMES))
    assert [one["name"] for one in seen] == sorted(one["name"] for one in seen)
    answered = [one for one in seen if one["latency_ms"] is not None]
    assert all(one["latency_ms"] > 0 for one in answered)
    dropped = [one for one in seen if one["dropped"]]
    assert len(answered) + len(dropped) == FRAMES
    assert (figures["answered"], figures["dropped"], figures["unmatched"]) == (len(answered), len(dropped), LONELY)
    assert not dropped if mode is Mode.QUEUE else dropped and not seen[-1]["dropped"]
    assert printed[0].startswith(f"{FRAMES} frames: {len(answered)} answered, {len(dropped)} dropped, 0 failed")
    with av.open(str(video)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == pytest.approx([one["time_s"] for one in answered], abs=1e-3)


def test_a_folder_of_pairs_is_a_stream_too_and_a_broken_frame_is_only_counted(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, data in (("rgb", jpeg(32, 24)), ("depth", depth_png(32, 24))):
        (tmp_path / kind).mkdir()
        for index in range(6):
            (tmp_path / kind / f"f{index}.{'jpg' if kind == 'rgb' else 'png'}").write_bytes(data)
    (tmp_path / "depth" / "f2.png").write_bytes(b"none")
    (tmp_path / "depth" / "f5.png").unlink()
    assert main(["stream", str(tmp_path), "--url", server.http_url, "--speed", "0"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "5 frames: 4 answered, 0 dropped, 1 failed; 1 images had no partner"
    assert "f2: depth: " in printed[3]


def test_a_wrong_unit_is_told_and_pictures_without_partners_make_no_stream(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, data in (("rgb", jpeg(32, 24)), ("depth", depth_png(32, 24))):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"f.{'jpg' if kind == 'rgb' else 'png'}").write_bytes(data)
    report = tmp_path / "report.jsonl"
    arguments = ["stream", str(tmp_path), "--url", server.http_url, "--speed", "0"]
    assert main([*arguments, "--depth-units-per-metre", "1", "--report", str(report)]) == 0
    assert "warning in 1 of 1 results: depth_unit_suspect" in capsys.readouterr().out
    assert lines(report)[0]["warnings"][0].startswith("depth_unit_suspect")
    assert main([*arguments, "--depth-units-per-metre", "0"]) == 2
    assert "send a number above 0" in capsys.readouterr().err
    (tmp_path / "depth" / "f.png").rename(tmp_path / "depth" / "g.png")
    assert main(arguments) == 2
    assert "holds no pair of images" in capsys.readouterr().err


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov", ".M4V"])
def test_a_video_keeps_every_time_stamp(
    ending: str, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV lacks {codec}")
    monkeypatch.setattr("crosswire.clients.streaming.video._CODECS", (codec,))
    times = [0.0, 0.033, 0.07, 0.1, 0.5]
    with VideoWriter(tmp_path / f"video{ending}", 30.0) as video:
        for time_s in times:
            video.add(Image.new("RGB", (63, 48), (int(400 * time_s), 0, 0)), time_s)
    with av.open(str(tmp_path / f"video{ending}")) as container:
        assert [float(frame.time) for frame in container.decode(video=0)] == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("name", ["out.webm", "out.gif", "out.avi", "out"])
def test_a_video_of_another_kind_is_refused_before_anything_is_asked(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stream", str(tmp_path), "--url", "grpc://127.0.0.1:9", "--video", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "name a file that ends in .mp4, .mkv, .mov, .m4v" in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_cannot_be_written_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = Image.new("RGB", (64, 48))
    with pytest.raises(OutputError, match="name a place"), VideoWriter(tmp_path / "gone" / "a.mp4", 30.0) as video:
        video.add(frame, 0.0)
    with monkeypatch.context() as patch:
        patch.setattr("crosswire.clients.streaming.video._CODECS", ("gif",))
        with pytest.raises(OutputError, match="gif"), VideoWriter(tmp_path / "b.mp4", 30.0) as video:
            video.add(frame, 0.0)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    with (
        pytest.raises(OutputError, match="File too large"),
        files_of_at_most(2000),
        VideoWriter(tmp_path / "c.mp4", 30.0) as video,
    ):
        video.add(Image.fromarray(noise), 0.0)


def test_what_was_seen_until_the_server_went_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tum(tmp_path)
    report = tmp_path / "report.jsonl"
    with EmbeddedServer(REPOSITORY, networks=[NETWORK]) as going:
        arguments = ["stream", str(tmp_path), "--url", going.http_url, "--report", str(report), "--speed", "0.2"]
        ask = AsyncPredictor.segment

        async def ask_and_stop(*words: Any, **options: Any) -> Segmentation:
            found = await ask(*words, **options)
            monkeypatch.setattr(AsyncPredictor, "segment", ask)
            os.kill(going.pid, signal.SIGTERM)
            return found

        monkeypatch.setattr(AsyncPredictor, "segment", ask_and_stop)
        assert main([*arguments, "--timeout", "3"]) == 2
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < figures["answered"] < FRAMES and len(lines(report)) == figures["frames"]


def test_options_that_make_no_stream_are_refused() -> None:
    with pytest.raises(InputError, match="speed is 0; send a number above 0, or 0"):
        StreamOptions(Mode.DROP, 0.0)
    with pytest.raises(InputError, match="window is 0 and queue 8"):
        StreamOptions(window=0)
