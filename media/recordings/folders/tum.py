"""TUM's layout: lists of the images of two sensors, or of their pairs.

A folder holds `rgb.txt` and `depth.txt`, whose lines are `TIMESTAMP FILE`
(https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats), or `associations.txt`, whose lines are `TIMESTAMP FILE
TIMESTAMP FILE` and name the pairs. Stamps are seconds; milliseconds, microseconds and nanoseconds are recognised.
Depth counts 5000 units per metre and is registered to colour. ICL-NUIM's files for TUM's tools have the number of a
frame where a stamp should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from crosswire.contract.wire_names import DEPTH
from crosswire.media.cameras.camera import Distortion, Lens, RgbdCamera
from crosswire.media.recordings.folders.files import FilePair, file_recording, holds_floats, unit_fact
from crosswire.media.recordings.folders.lists import ListedFiles, read_lines, split_line, unquoted
from crosswire.media.recordings.folders.stamps import SECONDS_PER, UNIT_NAMES, associate, stamp_unit
from crosswire.media.recordings.indexed import About
from crosswire.media.recordings.recording import Fact, ReadOptions, Recording, RecordingError

FORMAT = "TUM RGB-D"
UNITS_PER_METRE = 5000.0
LISTS = ("rgb.txt", "depth.txt")
_ASSOCIATIONS = ("associations.txt", "association.txt", "associated.txt", "associate.txt")
_SIZE = (640, 480)
#: The cameras that TUM's page and ICL-NUIM's page give, by what is in the names of their folders.
_LENSES = {
    "freiburg1": Lens(
        *_SIZE, 517.3, 516.5, 318.6, 255.3, Distortion.BROWN_CONRADY, (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)
    ),
    "freiburg2": Lens(
        *_SIZE, 520.9, 521.0, 325.1, 249.7, Distortion.BROWN_CONRADY, (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)
    ),
    "freiburg3": Lens(*_SIZE, 535.4, 539.2, 320.1, 247.6),
    "frei_png": Lens(*_SIZE, 481.2, 480.0, 319.5, 239.5),
}


@dataclass(frozen=True)
class Stamped:
    """One image of one sensor.

    Attributes:
        time_s: when it was taken, seconds.
        text: the same as it is written.
        path: its file.
    """

    time_s: float
    text: str
    path: Path


def has_lists(folder: Path) -> bool:
    """Say whether a folder holds a list for each sensor."""
    return all((folder / name).is_file() for name in LISTS)


def associations_in(folder: Path) -> Path | None:
    """Return a folder's file of associations, or None."""
    return next((folder / name for name in _ASSOCIATIONS if (folder / name).is_file()), None)


def is_tum(path: Path, head: bytes) -> bool:
    """Say whether a folder is in TUM's layout."""
    return has_lists(path) or associations_in(path) is not None


def read_list(path: Path, files: ListedFiles) -> list[Stamped]:
    """Return the images that a list names; times are as they are written.

    Raises:
        RecordingError: a line is no stamp and file.
    """
    found = []
    for number, line in read_lines(path):
        stamp, *rest = line.split(maxsplit=1)
        found.append(_stamped(path, number, line, stamp, unquoted("".join(rest)), files))
    return found


def read_associations(path: Path, files: ListedFiles) -> list[tuple[Stamped, Stamped]]:
    """Return the pairs that a file names, colour and depth; times are as they are written.

    Raises:
        RecordingError: a line names no pair, or there is none.
    """
    rows = []
    for number, line in read_lines(path):
        words = split_line(line, 4)
        if len(words) != 4:
            raise RecordingError(
                f"{path}:{number} is {line[:60]!r}; write TIMESTAMP FILE TIMESTAMP FILE, colour and depth"
            )
        one, other = (_stamped(path, number, line, stamp, name, files) for stamp, name in (words[:2], words[2:]))
        rows.append((other, one) if _names_depth_first(words[1], words[3]) else (one, other))
    if not rows:
        raise RecordingError(f"{path} names no pairs; write TIMESTAMP FILE TIMESTAMP FILE, colour and depth")
    return rows


def open_tum(folder: Path, options: ReadOptions) -> Recording:
    """Open a folder in TUM's layout.

    Raises:
        RecordingError: a list cannot be read, or there is no pair.
    """
    files = ListedFiles(folder)
    associations = associations_in(folder)
    listed = [read_list(folder / name, files) for name in LISTS] if has_lists(folder) else []
    if associations is not None:
        rows = read_associations(associations, files)
        colours, depths = [one for one, _ in rows], [other for _, other in rows]
    else:
        colours, depths = listed
    ticks = [stamp_unit([one.time_s for one in sensor]) for sensor in (colours, depths)]
    first, second = (_nanoseconds(sensor, tick) for sensor, tick in zip((colours, depths), ticks, strict=True))
    if associations is not None:
        near = sorted(((place, place) for place in range(len(rows))), key=lambda pair: first[pair[0]])
    else:
        near = associate([1e-9 * one for one in first], [1e-9 * one for one in second], options.longest_gap_s)
    if not near:
        raise RecordingError(
            f"{folder}: no two of {len(colours)} colour and {len(depths)} depth images lie within "
            f"{1e3 * options.longest_gap_s:g} ms; allow more with --longest-gap"
        )
    numbers = associations is not None and _are_numbers(colours) and _are_numbers(depths)
    pairs = [
        FilePair(colours[one].path, depths[other].path, None if numbers else (first[one], second[other]))
        for one, other in near
    ]
    if near and holds_floats(depths[near[0][1]].path):
        units, unit = unit_fact(options, 1.0, "floating point depth mostly counts metres", guessed=True)
    else:
        units, unit = unit_fact(options, UNITS_PER_METRE, "TUM's page says of this layout")
    camera, calibration = _camera(folder)
    said = zip(("colour", "depth"), ticks, strict=True)
    told = [f"{UNIT_NAMES[tick]} of {what}" for what, tick in said if tick != "s" and not numbers]
    facts = (
        unit,
        Fact("no reading", "0", "TUM's page says of this layout"),
        Fact("registration", "depth lies in the colour camera", "TUM's page says of this layout"),
        *calibration,
        *([Fact("stamps", " and ".join(told), "their size and pace", guessed=True)] if told and not numbers else []),
    )
    unmatched = sum(map(len, listed or (colours, depths))) - 2 * len(pairs)
    return file_recording(folder, pairs, About(FORMAT, facts, camera, True, max(0, unmatched)), units)


def _names_depth_first(first: str, second: str) -> bool:
    """Say whether the files of a pair are depth and colour, in this order, by what is in their paths."""
    return DEPTH in first.lower() and DEPTH not in second.lower()


def _stamped(path: Path, number: int, line: str, stamp: str, name: str, files: ListedFiles) -> Stamped:
    """Return the image of a line of a list."""
    try:
        time = float(stamp)
        if not name or not math.isfinite(time):
            raise ValueError
    except ValueError as error:
        raise RecordingError(f"{path}:{number} is {line[:60]!r}; write TIMESTAMP FILE, a number and a path") from error
    return Stamped(time, stamp, files.find(name))


def _nanoseconds(sensor: Sequence[Stamped], unit: str) -> list[int]:
    """Return stamps as they are written, in nanoseconds: a float has too few digits for both a date and them."""
    scale = round(1e9 * SECONDS_PER[unit])
    return [int(Decimal(one.text) * scale) for one in sensor]


def _are_numbers(sensor: Sequence[Stamped]) -> bool:
    """Say whether stamps are the numbers of frames, as the files are called, and no times."""
    return all(one.text.isdigit() and one.path.stem.isdigit() and int(one.text) == int(one.path.stem) for one in sensor)


def _camera(folder: Path) -> tuple[RgbdCamera | None, tuple[Fact, ...]]:
    """Return the camera that a data set's page gives for a folder of this name, and what is known of it."""
    names = folder.resolve().name.lower()
    found = next((name for name in _LENSES if name in names), None)
    if found is None:
        return None, (Fact("camera", "not known", "neither lists nor names say"),)
    lens = _LENSES[found]
    words = f"{lens.fx:g} and {lens.fy:g} pixels, axis at {lens.cx:g}, {lens.cy:g}"
    return RgbdCamera(lens, lens), (Fact("camera", words, f"the data set's page says of {found}"),)
