"""The readers of ROS' formats, as `open_recording` calls them."""

from __future__ import annotations

from pathlib import Path

from crosswire.media.recordings.realsense.bag import RealSenseRecording, is_realsense
from crosswire.media.recordings.recording import ReadOptions, Recording
from crosswire.media.recordings.ros.files.mcap import open_mcap
from crosswire.media.recordings.ros.files.messages import MessageFile
from crosswire.media.recordings.ros.files.rosbag1 import open_bag
from crosswire.media.recordings.ros.files.rosbag2 import open_database, open_folder
from crosswire.media.recordings.ros.recording import RosRecording, opened


def read_bag(path: Path, options: ReadOptions) -> Recording:
    """Open a ROS 1 bag; those of RealSense have topics of their own.

    Raises:
        RecordingError: it cannot be read.
    """
    return _read(path, open_bag(path), options)


def read_mcap(path: Path, options: ReadOptions) -> Recording:
    """Open an MCAP file.

    Raises:
        RecordingError: it cannot be read.
    """
    return _read(path, open_mcap(path), options)


def read_database(path: Path, options: ReadOptions) -> Recording:
    """Open a single .db3 file of ROS 2; those of RealSense have topics of their own.

    Raises:
        RecordingError: it cannot be read.
    """
    return _read(path, open_database(path), options)


def read_folder(path: Path, options: ReadOptions) -> Recording:
    """Open a folder of ROS 2.

    Raises:
        RecordingError: it cannot be read.
    """
    return _read(path, open_folder(path), options)


def _read(path: Path, file: MessageFile, options: ReadOptions) -> Recording:
    """Read an open file by whoever knows its topics."""
    return opened(path, file, options, RealSenseRecording if is_realsense(file) else RosRecording)
