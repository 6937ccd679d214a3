"""ROS 1 bags, ROS 2 folders, .db3 and MCAP: pairs, times, cut and foreign files."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosswire.media.recordings import RecordingError, open_recording
from crosswire.media.recordings.recording import ReadOptions
from tests.support.recordings.ros import METRES, RGB, START, STEP, Ros

#: File name, version of ROS, and how it is written.
FILES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "bag": ("a.bag", 1, {}),
    "bag, lz4": ("a.bag", 1, {"compression": "lz4"}),
    "bag, bz2": ("a.bag", 1, {"compression": "bz2"}),
    "db3": ("a b%20#1.db3", 2, {}),
    "folder of db3": ("folder", 2, {}),
    "folder of db3, messages in zstd": ("folder", 2, {"mode": "MESSAGE"}),
    "folder of db3, files in zstd": ("folder", 2, {"mode": "FILE"}),
    "folder of mcap": ("folder", 2, {"storage": "MCAP"}),
    "mcap, zstd": ("a.mcap", 2, {}),
    "mcap, lz4": ("a.mcap", 2, {"compression": "lz4"}),
    "mcap of no profile": ("a.mcap", 2, {"compression": "none", "profile": ""}),
    "mcap without chunks": ("a.mcap", 2, {"use_chunking": False}),
    "mcap without statistics": ("a.mcap", 2, {"use_statistics": False}),
    "mcap of ROS 1": ("a.mcap", 1, {"profile": "ros1"}),
}


def frames_until_error(path: Path) -> tuple[int, str]:
    """Return how many frames come before the error, and what it says."""
    count = 0
    with open_recording(path) as recording, pytest.raises(RecordingError) as raised:
        for frame in recording:
            assert frame.depth.shape == METRES.shape and frame.rgb.tolist() == RGB.tolist()
            count += 1
    return count, str(raised.value)


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_pairs(name: str, tmp_path: Path) -> None:
    file, version, options = FILES[name]
    path = Ros(version).pairs().write(tmp_path / file, **options)
    with open_recording(path) as recording:
        frames = list(recording)
        assert list(recording)[2].depth.tolist() == frames[2].depth.tolist(), "a recording is iterable again"
        assert recording.rate == pytest.approx(1e9 / STEP) and recording.unmatched == 0
        assert [one.index for one in recording.frames(start=2)] == [2]
    assert [one.stamp_ns for one in frames] == [START + STEP * number for number in range(3)]
    assert [one.depth_stamp_ns - one.stamp_ns for one in frames] == [2_000_000] * 3
    assert [one.time_s for one in frames] == pytest.approx([0, 0.033, 0.066])
    for number, one in enumerate(frames):
        assert one.rgb.tolist() == RGB.tolist()
        moved = np.where(METRES > 0, METRES + number * 0.01, 0)
        assert one.depth.dtype == np.float32
        assert one.depth[1:, 2:] == pytest.approx(moved[1:, 2:], abs=1e-6)
    assert frames[0].depth == pytest.approx(METRES, abs=1e-6)


def test_stamps_of_zero_give_way_to_the_time_of_recording(tmp_path: Path) -> None:
    ros = Ros(2)
    for number in range(3):
        log = START + number * STEP
        ros.image("/rgb/image", 0, RGB, "rgb8", late=log)
        ros.image("/depth/image", 0, np.full((3, 4), 700, np.uint16), "16UC1", late=log + 5_000_000)
    with open_recording(ros.write(tmp_path / "a.mcap")) as recording:
        assert [one.stamp_ns for one in recording] == [START + number * STEP for number in range(3)]
        assert any(str(one).startswith("time: when images were recorded") for one in recording.facts)


def test_images_too_far_apart_say_what_would_pair_them(tmp_path: Path) -> None:
    ros = Ros(1)
    ros.image("/rgb/image", START, RGB, "rgb8")
    ros.image("/depth/image", START + 100_000_000, np.full((3, 4), 700, np.uint16), "16UC1")
    path = ros.write(tmp_path / "a.bag")
    with open_recording(path) as recording, pytest.raises(RecordingError, match=r"1 colour and 1 depth.*gap 101"):
        list(recording)
    with open_recording(path, ReadOptions(longest_gap_s=0.101)) as recording:
        assert len(list(recording)) == 1


@pytest.mark.parametrize(
    "name", ["bag", "bag, lz4", "bag, bz2", "db3", "mcap, zstd", "mcap, lz4", "mcap without chunks"]
)
def test_a_cut_file_gives_the_frames_before_the_cut(name: str, tmp_path: Path) -> None:
    file, version, options = FILES[name]
    ros = Ros(version)
    for number in range(300):
        stamp = START + number * STEP
        ros.image("/rgb/image", stamp, RGB, "rgb8")
        ros.image("/depth/image", stamp, np.full((3, 4), 700, np.uint16), "16UC1")
    path = ros.write(tmp_path / file, **options)
    whole = path.read_bytes()
    for share in (0.7, 0.4):
        path.write_bytes(whole[: int(len(whole) * share)])
        count, said = frames_until_error(path)
        assert 50 * share < count < 300
        assert "damaged or cut here" in said and "\n" not in said and said.count(str(path)) == 1


def test_a_file_cut_before_the_first_image_is_damaged(tmp_path: Path) -> None:
    path = Ros(2).pairs(100).write(tmp_path / "a.db3")
    path.write_bytes(path.read_bytes()[: 7 * 4096])
    with pytest.raises(RecordingError, match="damaged or cut here"):
        open_recording(path)


def test_a_bag_whose_recording_was_interrupted_is_read(tmp_path: Path) -> None:
    """Its header says that there is no index."""
    path = Ros(1).pairs(40).write(tmp_path / "a.bag")
    data = path.read_bytes()
    start = data.index(b"index_pos=") + len(b"index_pos=")
    end = int.from_bytes(data[start : start + 8], "little")
    path.write_bytes(data[:start] + bytes(8) + data[start + 8 : end])
    with open_recording(path) as recording:
        assert len(list(recording)) == 40
        assert any("no index" in str(one) for one in recording.facts)


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_a_folder_without_metadata_is_read_file_by_file(storage: str, tmp_path: Path) -> None:
    path = Ros(2).pairs(4).write(tmp_path / "folder", storage=storage)
    (path / "metadata.yaml").unlink()
    with open_recording(path) as recording:
        assert len(list(recording)) == 4


@pytest.mark.parametrize(
    ("file", "version", "compression", "within"), [("a.bag", 1, "bz2", b"BZh"), ("a.mcap", 2, "none", RGB.tobytes())]
)
def test_a_damaged_chunk_ends_the_frames(
    file: str, version: int, compression: str, within: bytes, tmp_path: Path
) -> None:
    """A bag itself holds no checksum, bz2 does; MCAP has one per chunk."""
    path = Ros(version).pairs(60).write(tmp_path / file, compression=compression)
    data = bytearray(path.read_bytes())
    place = data.index(within, len(data) // 2)
    data[place + 20 : place + 30] = bytes(10)
    path.write_bytes(data)
    count, said = frames_until_error(path)
    assert 10 < count < 60 and "damaged or cut here" in said


def test_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    database = tmp_path / "other.db3"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE things (id INTEGER)")
    connection.close()
    old = tmp_path / "old.bag"
    old.write_bytes(b"#ROSBAG V1.2\n" + bytes(100))
    empty = tmp_path / "empty.mcap"
    empty.write_bytes(b"\x89MCAP0\r\n")
    half = tmp_path / "half.bag"
    half.write_bytes(b"#ROSBAG V2.0\n" + bytes(3))
    said = {"other.db3": "no ROS 2 bag", "old.bag": "version 1.2", "empty.mcap": "damaged", "half.bag": "damaged"}
    for path in (database, old, empty, half):
        with pytest.raises(RecordingError) as raised:
            open_recording(path)
        assert said[path.name] in str(raised.value) and "\n" not in str(raised.value)


def test_a_folder_with_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = Ros(2).pairs(2).write(tmp_path / "folder")
    for one in path.glob("*.db3"):
        one.unlink()
    with pytest.raises(RecordingError, match="missing"):
        open_recording(path)
    shutil.rmtree(path)


def test_a_recording_without_depth_says_what_it_holds(tmp_path: Path) -> None:
    ros = Ros(1)
    ros.image("/camera/image_raw", START, RGB, "rgb8")
    ros.image("/camera/image_raw", START + 1, RGB, "rgb8")
    ros.info("/camera/camera_info")
    with pytest.raises(RecordingError) as raised:
        open_recording(ros.write(tmp_path / "a.bag"))
    said = str(raised.value)
    assert "/camera/image_raw (sensor_msgs/msg/Image, 2)" in said and "/camera/camera_info" in said
    assert "--depth-topic" in said and "\n" not in said
