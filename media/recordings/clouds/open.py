"""Organised point clouds as recordings: a file is one frame, a folder of them many.

Depth is the distance along the axis of the camera that the points were seen by, see `crosswire.media.recordings.clouds.
sight`; colour lies on it, so nothing is to be registered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from crosswire.media.cameras.camera import RgbdCamera
from crosswire.media.depth import to_metres
from crosswire.media.recordings.clouds import pcd, ply
from crosswire.media.recordings.clouds.cloud import Cloud, CloudError
from crosswire.media.recordings.clouds.sight import Sight, sight_of
from crosswire.media.recordings.folders.files import in_order, unit_fact
from crosswire.media.recordings.folders.stamps import SECONDS_PER, stamp_unit
from crosswire.media.recordings.indexed import About, IndexedRecording, even_stamps, no_stamps
from crosswire.media.recordings.recording import Fact, Images, ReadOptions, Recording, RecordingError

ENDINGS = (".pcd", ".ply")
_SECONDS = re.compile(r"\d+\.\d+")
#: A cloud whose middle reading is beyond counts millimetres: no sensor of colour and depth sees so many metres.
_FARTHEST_METRES = 50.0


def is_cloud(path: Path, head: bytes) -> bool:
    """Say whether a file is a point cloud, organised or not."""
    return head.startswith(ply.MAGICS) or head.startswith(b"# .PCD") or (_named(path, ".pcd") and b"VERSION" in head)


def is_clouds(path: Path, head: bytes) -> bool:
    """Say whether a folder holds point clouds."""
    return path.is_dir() and any(one.suffix.lower() in ENDINGS for one in path.iterdir())


def open_clouds(path: Path, options: ReadOptions) -> Recording:
    """Open a cloud or a folder of them.

    Raises:
        RecordingError: the first one is damaged, not organised, without colour, or seen by no camera.
    """
    files = _files(path)
    first = _read(files[0])
    try:
        sight = sight_of(first)
    except CloudError as error:
        raise RecordingError(f"{files[0]} {error}") from error
    units, unit = _unit(first, sight, options)
    stamps = _stamps(files) if path.is_dir() else [(0, 0)]
    camera = None if sight.mirrored else RgbdCamera(sight.lens, sight.lens)
    facts = [
        unit,
        Fact("no reading", "what is not finite, and 0", "organised clouds have it"),
        Fact("registration", "depth lies in the colour camera", "each point has a colour"),
        Fact("axes", sight.axes, f"a camera sees half of the points {sight.error:.2g} pixels away or less"),
        _camera_fact(sight),
    ]
    if stamps is None:
        stamps = even_stamps(len(files))
        facts.append(no_stamps("the names are no stamps"))

    def load(index: int) -> Images:
        cloud = first if index == 0 else _read(files[index])
        if cloud.points.shape != first.points.shape:
            height, width = cloud.points.shape[:2]
            raise RecordingError(f"{files[index]} has {width} x {height} points, those before it others; sort them")
        moved = (cloud.position, cloud.turn) != (first.position, first.turn)
        try:
            here = sight_of(cloud) if moved else sight
        except CloudError as error:
            raise RecordingError(f"{files[index]} {error}") from error
        return cloud.colours, to_metres(here.depth(cloud), units)

    return IndexedRecording(path, About(_format(files[0]), tuple(facts), camera, True), stamps, load)


def _named(path: Path, ending: str) -> bool:
    return path.suffix.lower() == ending


def _format(path: Path) -> str:
    return f"organised {path.suffix[1:].upper() or 'cloud'}"


def _files(path: Path) -> list[Path]:
    """Return the clouds of a folder in the order of the numbers in their names, or the one file."""
    if not path.is_dir():
        return [path]
    found = {one.name: one for one in path.iterdir() if one.suffix.lower() in ENDINGS}
    if all(_SECONDS.fullmatch(one.stem) for one in found.values()):
        return sorted(found.values(), key=lambda one: float(one.stem))  # decimals of any length
    return [found[name] for name in in_order(found)]


def _read(path: Path) -> Cloud:
    """Read a cloud."""
    try:
        data = path.read_bytes()
        reader: Callable[[bytes], Cloud] = ply.read_ply if data.startswith(ply.MAGICS) else pcd.read_pcd
        with np.errstate(all="ignore"):  # numbers of a damaged file may fit no type
            return reader(data)
    except (OSError, CloudError) as error:
        raise RecordingError(f"{path} {error}") from error


def _unit(cloud: Cloud, sight: Sight, options: ReadOptions) -> tuple[float, Fact]:
    """Return what a metre counts, and the fact that goes with it: neither format says it."""
    depth = sight.depth(cloud)
    middle = float(np.median(depth[depth > 0]))
    far = middle > _FARTHEST_METRES
    why = f"the middle reading is {middle:.3g}, and the format says no unit"
    return unit_fact(options, 1000.0 if far else 1.0, why, guessed=True)


def _camera_fact(sight: Sight) -> Fact:
    """Return what is known of the camera."""
    lens = sight.lens
    if sight.mirrored:
        return Fact("mirroring", "the image is a mirror of the scene", "the points say")
    words = f"{lens.fx:.1f} and {lens.fy:.1f} pixels, axis at {lens.cx:.1f}, {lens.cy:.1f}"
    return Fact("camera", words, "the points say")


def _stamps(files: list[Path]) -> list[tuple[int, int]] | None:
    """Return stamps where all names are some, nanoseconds."""
    if not all(_SECONDS.fullmatch(path.stem) for path in files):
        return None
    seconds = [float(path.stem) for path in files]
    unit = SECONDS_PER[stamp_unit(seconds)]
    if seconds != sorted(seconds) or not all(map(math.isfinite, seconds)):
        return None
    return [(stamp, stamp) for stamp in (round(1e9 * unit * one) for one in seconds)]
