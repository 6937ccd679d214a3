"""Which format a recording has, by its content; the format's own reader is imported when it is needed."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosswire.media.recordings.recording import ReadOptions, Recording, RecordingError

_HEAD = 64
#: What the address of a camera on the cable begins with: "realsense:", or "realsense:SERIAL".
CAMERA = "realsense:"


@dataclass(frozen=True)
class Format:
    """A format of recordings.

    Attributes:
        name: as people call it.
        endings: of its files, for messages alone; a folder has none.
        recognise: `module:function` below `crosswire.media.recordings`, which says whether a path is one, given its
            first bytes (empty for a folder).
        reader: likewise, from path and options to a `Recording`.
        tracks: whether it may hold several of colour or depth, so that one can be named.
    """

    name: str
    endings: tuple[str, ...]
    recognise: str
    reader: str
    tracks: bool = True


FORMATS: tuple[Format, ...] = (
    Format("ROS 1 bag", (".bag",), "ros.recognise:is_bag", "ros.open:read_bag"),
    Format("MCAP", (".mcap",), "ros.recognise:is_mcap", "ros.open:read_mcap"),
    Format("ROS 2 bag (.db3)", (".db3",), "ros.recognise:is_database", "ros.open:read_database"),
    Format("ROS 2 bag (folder)", (), "ros.recognise:is_folder", "ros.open:read_folder"),
    Format("Azure Kinect MKV", (".mkv",), "recognise:is_matroska", "kinect.mkv:open_mkv"),
    Format("Record3D .r3d", (".r3d",), "recognise:is_record3d", "scans.record3d:open_record3d", tracks=False),
    Format("ScanNet .sens", (".sens",), "recognise:is_sens", "scans.sens:open_sens", tracks=False),
    Format("TUM RGB-D", (), "recognise:is_tum", "folders.tum:open_tum", tracks=False),
    Format("7-Scenes", (), "recognise:is_seven_scenes", "folders.seven_scenes:open_seven_scenes", tracks=False),
    Format("ICL-NUIM", (), "recognise:is_iclnuim", "folders.iclnuim:open_iclnuim", tracks=False),
    Format("folders of colour and depth", (), "recognise:is_pairs", "folders.numbered:open_numbered", tracks=False),
    Format("organised point cloud", (".pcd", ".ply"), "recognise:is_cloud", "clouds.open:open_clouds", tracks=False),
    Format("folder of organised point clouds", (), "recognise:is_clouds", "clouds.open:open_clouds", tracks=False),
)


def format_of(path: Path) -> Format | None:
    """Return the format of a file or folder, or None.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        head = b"" if path.is_dir() else _head(path)
        return next((one for one in FORMATS if _function(one.recognise)(path, head)), None)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read ({error.strerror}); name a recording") from error


def open_recording(path: str | os.PathLike[str], options: ReadOptions | None = None) -> Recording:
    """Open a recording.

    Args:
        path: a file or folder, see docs/recordings.md; or "realsense:", "realsense:SERIAL" for a camera.
        options: how it is read where it leaves a choice.

    Returns:
        Frames with colour, depth in metres, time, and the camera.

    Raises:
        RecordingError: it is of no format that is known, damaged, holds no depth, or needs a package.

    Example:
        >>> with open_recording("desk.mcap") as recording:
        ...     for frame in recording:
        ...         print(frame.time_s, frame.rgb.shape, frame.depth.shape)
    """
    if str(path).startswith(CAMERA):
        camera: Recording = _function("realsense.live:open_camera")(str(path), options or ReadOptions())
        return camera
    place = Path(path)
    found = format_of(place)
    if found is None:
        known = ", ".join(one.name for one in FORMATS)
        raise RecordingError(f"{place} is no recording that can be read, expected one of: {known}")
    options = options or ReadOptions()
    if not found.tracks and (options.colour or options.depth):
        raise RecordingError(
            f"{place} ({found.name}) holds one colour and one depth; leave --colour-topic and --depth-topic out"
        )
    recording: Recording = _function(found.reader)(place, options)
    return recording


def _function(place: str) -> Any:
    """Return a function by its place, and import it for that: commands that read no recording are not kept waiting."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"crosswire.media.recordings.{module}"), name)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)
