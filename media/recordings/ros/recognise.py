"""Whether a file or folder is a recording of ROS, by its first bytes or names; imports no package."""

from __future__ import annotations

from pathlib import Path

BAG, MCAP, SQLITE = b"#ROSBAG V", b"\x89MCAP0\r\n", b"SQLite format 3\0"
_METADATA = "metadata.yaml"


def is_bag(path: Path, head: bytes) -> bool:
    """Say whether a file is a ROS 1 bag, of any version."""
    return head.startswith(BAG)


def is_mcap(path: Path, head: bytes) -> bool:
    """Say whether a file is MCAP."""
    return head.startswith(MCAP)


def is_database(path: Path, head: bytes) -> bool:
    """Say whether a file is an SQLite database: a .db3 of ROS 2, or a foreign one."""
    return head.startswith(SQLITE)


def is_folder(path: Path, head: bytes) -> bool:
    """Say whether a folder is a ROS 2 bag: with its `metadata.yaml`, or without it as after a crash."""
    if not path.is_dir():
        return False
    if (path / _METADATA).is_file():
        return b"rosbag2_bagfile_information" in (path / _METADATA).read_bytes()[:4096]
    return any(one.suffix in (".mcap", ".db3") for one in path.iterdir())
