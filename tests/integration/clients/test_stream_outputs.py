"""`crosswire stream` with every kind of output at once, asked of the real server."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mcap.reader import make_reader
from PIL import Image
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from crosswire.clients import InputError, Outputs, Predictor, stream
from crosswire.clients.__main__ import main
from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.cameras.register import register_depth
from crosswire.media.recordings import open_recording
from crosswire.training.datasets.rooms import render
from tests.support.outputs.ply import read_ply
from tests.support.recordings.desk import START, STEP, write_desk
from tests.support.servers.real import PIPELINE

FRAMES, BEGIN, HEIGHT, WIDTH = 4, 1_305_031_102.175, 48, 64
LENS = Lens(WIDTH, HEIGHT, 50.0, 50.0, 31.5, 23.5)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A recording in TUM's layout, with pauses of its own."""
    folder = tmp_path / "desk"
    lines = []
    for index in range(FRAMES):
        room = render(7, index, HEIGHT, WIDTH)
        stamp = f"{BEGIN + index**2 / 20:.6f}"
        for kind in ("rgb", "depth"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(room.rgb).save(folder / f"rgb/{stamp}.png")
        Image.fromarray(np.rint(room.depth * 5000).astype(np.uint16)).save(folder / f"depth/{stamp}.png")
        lines.append(f"{stamp} rgb/{stamp}.png {stamp} depth/{stamp}.png\n")
    (folder / "associations.txt").write_text("".join(lines))
    (tmp_path / "camera.json").write_text(RgbdCamera(LENS, LENS).to_json())
    return folder


def test_all_outputs_of_a_stream_hold_what_the_server_says_of_every_frame(
    server: Any, desk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["--url", server.grpc_url, "--speed", "0", "--camera", str(tmp_path / "camera.json")]
    words += [
        "--video",
        f"{out}/a.mp4",
        "--mcap",
        f"{out}/a.mcap",
        "--cloud",
        f"{out}/clouds",
        "--table",
        f"{out}/a.csv",
    ]
    assert main(["stream", str(desk), "--pipeline", PIPELINE, *words]) == 0
    with Predictor(server.grpc_url) as predictor:
        pairs = zip(sorted((desk / "rgb").iterdir()), sorted((desk / "depth").iterdir()), strict=True)
        asked = [predictor.segment(rgb, depth, pipeline=PIPELINE, depth_units_per_metre=5000) for rgb, depth in pairs]
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(out / "a.mcap") as reader:
        chosen = [one for one in reader.connections if one.topic in ("/crosswire/labels", "/crosswire/confidence")]
        found: dict[str, list[Any]] = {one.topic: [] for one in chosen}
        for connection, stamp, data in reader.messages(chosen):
            found[connection.topic].append((stamp, store.deserialize_cdr(data, connection.msgtype)))
    rows = list(csv.DictReader((out / "a.csv").read_text(encoding="utf-8").splitlines()))
    with av.open(str(out / "a.mp4")) as video:
        shown = [float(one.time) for one in video.decode(video=0)]
    assert shown == pytest.approx([index**2 / 20 for index in range(FRAMES)], abs=1e-4)
    for index, result in enumerate(asked):
        stamp, labels = found["/crosswire/labels"][index]
        assert np.array_equal(labels.data.reshape(HEIGHT, WIDTH), result.labels)
        assert result.confidence is not None
        certain = found["/crosswire/confidence"][index][1]
        assert np.array_equal(certain.data.reshape(HEIGHT, WIDTH), result.confidence)
        assert stamp == pytest.approx(index**2 / 20 * 1e9, abs=1000)
        points, _ = read_ply(out / f"clouds/{index:06d}.ply")
        stored = np.asarray(Image.open(sorted((desk / "depth").iterdir())[index]))
        assert points["z"] == pytest.approx(stored[stored > 0] / 5000, rel=1e-6)
        assert np.array_equal(points["label"], result.labels[stored > 0])
        assert float(rows[index]["mean_confidence"]) == result.mean_confidence
        assert float(rows[index]["latency_ms"]) > 0


def test_a_recording_keeps_its_nanoseconds_and_its_depth_is_that_of_the_colour_camera(
    server: Any, tmp_path: Path
) -> None:
    bag, out = write_desk(tmp_path / "desk.mcap", 3), tmp_path / "out"
    words = ["--url", server.grpc_url, "--speed", "0", "--pipeline", PIPELINE, "--mcap", f"{out}/a.mcap"]
    words += ["--cloud", f"{out}/clouds", "--cloud-colours", "image", "--table", f"{out}/a.jsonl"]
    assert main(["stream", str(bag), *words]) == 0
    with open_recording(bag) as recording:
        frames, camera = list(recording), recording.camera
    assert camera is not None
    stamps = [frame.stamp_ns for frame in frames]
    rows = [json.loads(line) for line in (out / "a.jsonl").read_text().splitlines()]
    assert [row["stamp_ns"] for row in rows] == stamps == [START + index * STEP for index in range(3)]
    with (out / "a.mcap").open("rb") as file:
        messages = list(make_reader(file, validate_crcs=True).iter_messages(topics=["/crosswire/camera_info"]))
    assert [message.publish_time for _, _, message in messages] == stamps
    for frame in frames:
        moved = register_depth(frame.depth, camera)
        points, comments = read_ply(out / f"clouds/{frame.index:06d}.ply")
        assert f"stamp_ns {frame.stamp_ns}" in comments
        assert len(points) and np.array_equal(points["z"], moved[moved > 0])
        colours = np.stack([points[name] for name in ("red", "green", "blue")], axis=-1)
        assert np.array_equal(colours, frame.rgb[moved > 0])


def test_points_of_a_folder_need_a_camera_which_is_told_before_the_first_frame(
    server: Any, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--url", server.grpc_url, "--cloud", str(tmp_path / "clouds"), "--pipeline", PIPELINE]
    assert main(["stream", str(desk), *words]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and "has no calibration of its colour camera" in told[0]
    two = RgbdCamera(LENS, LENS, translation=(0.1, 0, 0))
    (tmp_path / "two.json").write_text(two.to_json())
    assert main(["stream", str(desk), *words, "--camera", str(tmp_path / "two.json")]) == 0
    assert len(list((tmp_path / "clouds").glob("*.ply"))) == 4


def test_a_file_that_ends_before_time_is_complete_as_far_as_it_goes(server: Any, desk: Path, tmp_path: Path) -> None:
    camera = RgbdCamera(Lens(8, 8, 5.0, 5.0, 4.0, 4.0), Lens(8, 8, 5.0, 5.0, 4.0, 4.0))
    (tmp_path / "other.json").write_text(camera.to_json())
    words = ["--url", server.grpc_url, "--mcap", str(tmp_path / "a.mcap"), "--camera", str(tmp_path / "other.json")]
    assert main(["stream", str(desk), "--pipeline", PIPELINE, *words]) == 2
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None and summary.statistics.message_count == 0


def test_outputs_of_python_are_those_of_the_command(server: Any, desk: Path, tmp_path: Path) -> None:
    outputs = Outputs(table=tmp_path / "rows.jsonl")
    outcome = stream(desk, server.grpc_url, pipeline=PIPELINE, speed=0, outputs=outputs)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(FRAMES)) == [one.frame.index for one in outcome.frames]
    with pytest.raises(InputError, match="expected a file that ends in"):
        Outputs(table=tmp_path / "rows.txt")
