"""Whether a file or folder is a recording of ROS, by its first bytes or names; imports no package."""

from __future__ import annotations

import re
from pathlib import Path

BAG, MCAP, SQLITE = b"#ROSBAG V", b"\x89MCAP0\r\n", b"SQLite format 3\0"
_METADATA = "metadata.yaml"
_NUMBER = re.compile(r"_\d+$")


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
    """Say whether a folder is a ROS 2 bag: with its `metadata.yaml`, or without it as after a crash.

    Its parts are numbered then, `desk_0.mcap` and `desk_1.mcap`; files of unlike names are recordings of their own.
    """
    if not path.is_dir():
        return False
    if (path / _METADATA).is_file():
        return b"rosbag2_bagfile_information" in (path / _METADATA).read_bytes()[:4096]
    parts = [one.stem for one in path.iterdir() if one.suffix in (".mcap", ".db3")]
    return bool(parts) and len({_NUMBER.sub("", stem) for stem in parts}) == 1
