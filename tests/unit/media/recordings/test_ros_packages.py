"""Recordings of ROS need packages of an extra, and are recognised without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crosswire.media.recordings import RecordingError, open_recording
from tests.support.recordings.ros import Ros


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("a.bag", "rosbags.rosbag1"),
        ("a.db3", "rosbags.rosbag2.storage_sqlite3"),
        ("folder", "rosbags.rosbag2"),
        ("a.mcap", "mcap.reader"),
    ],
)
def test_a_missing_package_is_named(file: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Ros(1 if file == "a.bag" else 2).pairs(1).write(tmp_path / file)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RecordingError, match=r"try pip install 'crosswire\[recordings\]'") as raised:
        open_recording(path)
    assert "\n" not in str(raised.value)


def test_a_missing_package_of_a_camera_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(RecordingError, match=r"pip install 'crosswire\[realsense\]', on Linux also apt-get"):
        open_recording("realsense:")


def test_recordings_are_recognised_without_a_package() -> None:
    code = (
        "import sys; import crosswire.media.recordings, crosswire.media.recordings.ros.open;"
        "print([one for one in sys.modules if one.split('.')[0] in ('rosbags', 'mcap', 'lz4', 'pyrealsense2')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
