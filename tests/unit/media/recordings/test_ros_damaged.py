"""Damaged recordings of ROS and RealSense end in one line, whatever is damaged."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crosswire.media.recordings import RecordingError, open_recording
from tests.support.recordings.ros import Ros
from tests.unit.media.recordings.test_realsense import bag, database

FILES = {
    "bag": (1, "a.bag"),
    "mcap": (2, "a.mcap"),
    "db3": (2, "a.db3"),
    "RealSense bag": (1, "realsense.bag"),
    "RealSense db3": (2, "realsense.db3"),
}


def recording(name: str) -> Ros:
    """Return the messages of a recording with everything that is read."""
    version, _ = FILES[name]
    if name.startswith("RealSense"):
        return bag() if version == 1 else database()
    ros = Ros(version).pairs(8)
    ros.info("/camera/color/camera_info", "color")
    ros.info("/camera/depth/camera_info", "depth")
    ros.transform("color", "depth", (0, 0, 1), (0, 0, 0, 1))
    return ros


def damaged(data: bytes, seed: int) -> bytes:
    """Return a file with other bytes, a hole, more bytes, or less."""
    chance = random.Random(seed)
    place, made = chance.randrange(len(data)), bytearray(data)
    if seed % 4 == 0:
        for _ in range(chance.choice((1, 3, 20))):
            made[chance.randrange(len(data))] = chance.randrange(256)
    elif seed % 4 == 1:
        made[place : place + 100] = bytes(len(data[place : place + 100]))
    elif seed % 4 == 2:
        made[place:place] = chance.randbytes(20)
    return bytes(made if seed % 4 < 3 else made[:place])


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = recording(name).write(tmp_path / FILES[name][1])
    data, read, said = path.read_bytes(), 0, []
    for seed in range(40):
        path.write_bytes(damaged(data, seed))
        try:
            with open_recording(path) as opened:
                read += len([frame.rgb for frame in opened])
        except RecordingError as error:
            said.append(str(error))
    assert len(said) > 5 and read > 0
    assert [one for one in said if "\n" in one] == []
