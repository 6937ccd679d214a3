"""Streams: frames are paired by time, answers keep the order, and nothing is dropped unless that was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import InputError
from clients.__main__ import main
from clients.pipelines import Pipeline, Tensor
from clients.stream.frames import associate, read_sequence
from clients.stream.run import Mode, StreamOptions
from tests.servers import depth_png, jpeg

INPUTS = tuple(Tensor(name, "BYTES", (1,)) for name in ("rgb_image", "depth_image"))
PAIR = Pipeline("p", "n", "segmentation", INPUTS, (), (), (), "", {})
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


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_colour_and_depth_are_paired_by_time_within_20_ms(tmp_path: Path) -> None:
    delays = write_tum(tmp_path)
    recording = read_sequence(tmp_path, PAIR)
    assert (len(recording.frames), recording.unmatched, recording.units_per_metre) == (FRAMES, LONELY, 5000.0)
    assert recording.rate == pytest.approx(15, rel=0.01)
    for frame, delay in zip(recording.frames, delays, strict=True):
        assert float(frame.depth.stem) - float(frame.name) == pytest.approx(delay, abs=2e-6)
    assert len(read_sequence(tmp_path, PAIR, 0.022).frames) == FRAMES + LONELY
    with pytest.raises(InputError, match=r"lie within 0\.001 ms; allow more with --longest-gap"):
        read_sequence(tmp_path, PAIR, 1e-6)
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
    av = pytest.importorskip("av", reason="PyAV writes the video; install the extra `video`")
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
    assert printed[0] == "5 frames: 4 answered, 0 dropped, 1 failed; 1 colour pictures had no depth picture"
    assert "f2: depth: " in printed[2]


def test_options_that_make_no_stream_are_refused() -> None:
    with pytest.raises(InputError, match="speed is 0; send a number above 0, or 0"):
        StreamOptions(Mode.DROP, 0.0)
    with pytest.raises(InputError, match="window is 0 and queue 8"):
        StreamOptions(window=0)
