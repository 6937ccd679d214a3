"""Which files and folders are recordings of the formats read here, by a file's first bytes or the names in a folder."""

from __future__ import annotations

from pathlib import Path

from crosswire.media.recordings.folders.iclnuim import names_iclnuim
from crosswire.media.recordings.folders.numbered import names_pairs
from crosswire.media.recordings.folders.seven_scenes import names_seven_scenes
from crosswire.media.recordings.kinect.matroska import MAGIC
from crosswire.media.recordings.scans.record3d import is_record3d as is_record3d
from crosswire.media.recordings.scans.sens import is_sens as is_sens


def is_matroska(path: Path, head: bytes) -> bool:
    """Say whether a file is Matroska; WebM, its relative, holds no depth."""
    return head.startswith(MAGIC) and b"webm" not in head


def is_seven_scenes(path: Path, head: bytes) -> bool:
    """Say whether a folder is 7-Scenes'."""
    return names_seven_scenes(_names(path))


def is_iclnuim(path: Path, head: bytes) -> bool:
    """Say whether a folder is ICL-NUIM's as it is rendered."""
    return names_iclnuim(_names(path))


def is_pairs(path: Path, head: bytes) -> bool:
    """Say whether a folder holds pairs of files with one number."""
    return names_pairs(path, _names(path))


def _names(path: Path) -> set[str]:
    """Return the names in a folder; none of a file."""
    return {one.name for one in path.iterdir()} if path.is_dir() else set()
