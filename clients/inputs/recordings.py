"""Recordings of two sensors in TUM's layout.

A recording is a folder with `rgb.txt` and `depth.txt`, whose lines are `TIMESTAMP FILE`
(https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats), or with `associations.txt`, whose lines are
`TIMESTAMP FILE TIMESTAMP FILE` and name the pairs. Stamps are seconds; milliseconds, microseconds and nanoseconds are
recognised. Camera and depth sensor tick on their own, so images of the two lists are associated by time stamp; depth
counts 5000 units per metre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.clock import SECONDS_PER, UNIT_NAMES, find_offset, stamp_unit
from crosswire.clients.inputs.lists import ListedFiles, read_lines, split_line, unquoted
from crosswire.contract.wire_names import DEPTH, RGB

UNITS_PER_METRE = 5000.0
LONGEST_GAP_S = 0.02
AUTO = "auto"
_LISTS = ("rgb.txt", "depth.txt")
_ASSOCIATIONS = ("associations.txt", "association.txt", "associated.txt", "associate.txt")


@dataclass(frozen=True)
class Pairing:
    """How the images of two sensors become pairs.

    Attributes:
        longest_gap_s: how far the time stamps of a pair may lie apart.
        offset: seconds that are added to the stamps of depth, or `"auto"` for those that pair best.
        stamp_unit: what stamps count: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"` for what they look like.
    """

    longest_gap_s: float = LONGEST_GAP_S
    offset: float | str = 0.0
    stamp_unit: str = AUTO

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one of them makes no sense.
        """
        if not (self.longest_gap_s >= 0 and math.isfinite(self.longest_gap_s)):
            raise InputError(f"got a longest gap of {self.longest_gap_s:g} s, expected 0 or more; try 0.02")
        number = isinstance(self.offset, (int, float)) and math.isfinite(self.offset)
        if not number and self.offset != AUTO:
            raise InputError(f"got offset {self.offset!r}, expected seconds or {AUTO!r}; try 0.05")
        if self.stamp_unit != AUTO and self.stamp_unit not in SECONDS_PER:
            raise InputError(f"got stamp unit {self.stamp_unit!r}, expected {', '.join((AUTO, *SECONDS_PER))}")

    @property
    def shifts(self) -> bool:
        """Whether an offset is asked for."""
        return self.offset != 0.0


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


@dataclass(frozen=True)
class RecordedPairs:
    """The pairs of a recording.

    Attributes:
        pairs: colour and depth image of each, in the order of time.
        unmatched: how many colour images have no partner.
        notes: what was recognised about the stamps, for the user to know.
    """

    pairs: tuple[tuple[Stamped, Stamped], ...]
    unmatched: int
    notes: tuple[str, ...] = ()


def is_recording(folder: Path) -> bool:
    """Say whether a folder is in TUM's layout."""
    return _has_lists(folder) or _associations(folder) is not None


def read_recording(folder: Path, pairing: Pairing | None = None) -> RecordedPairs:
    """Read the pairs of a recording.

    Where there is a file of associations, it says what belongs together, unless an offset is asked for and the lists
    are there, too.

    Args:
        folder: in TUM's layout.
        pairing: how images become pairs; None for the usual way.

    Raises:
        InputError: a list cannot be read, there is no pair, or no offset can be found.
    """
    pairing = pairing or Pairing()
    associations = _associations(folder)
    if associations is None or (pairing.shifts and _has_lists(folder)):
        return _from_lists(folder, pairing)
    if pairing.shifts:
        raise InputError(
            f"{associations} names the pairs and there is no {' and '.join(_LISTS)}, an offset changes nothing; "
            "leave --offset out, or add the two lists"
        )
    return _from_associations(folder, associations, pairing)


def associate(first: Sequence[float], second: Sequence[float], longest_gap_s: float) -> list[tuple[int, int]]:
    """Pair two lists of time stamps, the closest first, each at most once.

    Args:
        first: seconds, in any order.
        second: the same of the other sensor.
        longest_gap_s: pairs lie closer than this or exactly so far.

    Returns:
        Indices into both lists, in the order of the first list's time.
    """
    order = sorted(range(len(second)), key=lambda index: second[index])
    near: list[tuple[float, int, int]] = []
    start = 0
    for one in sorted(range(len(first)), key=lambda index: first[index]):
        while start < len(order) and second[order[start]] < first[one] - longest_gap_s - 1e-9:
            start += 1
        for other in order[start:]:
            gap = second[other] - first[one]
            if gap > longest_gap_s + 1e-9:
                break
            near.append((abs(gap), one, other))
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, one, other in sorted(near):
        if one not in taken and other not in used:
            taken[one] = other
            used.add(other)
    return sorted(taken.items(), key=lambda pair: first[pair[0]])


def _has_lists(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _LISTS)


def _associations(folder: Path) -> Path | None:
    """Return a folder's file of associations, or None."""
    return next((folder / name for name in _ASSOCIATIONS if (folder / name).is_file()), None)


def _from_lists(folder: Path, pairing: Pairing) -> RecordedPairs:
    """Return the pairs of the two lists that lie close in time."""
    files = ListedFiles(folder)
    read = [_in_seconds(_read_list(folder / name, files), name, pairing.stamp_unit) for name in _LISTS]
    (colours, depths), notes = [stamped for stamped, _ in read], [note for _, note in read if note]
    first, second = ([one.time_s for one in stamped] for stamped in (colours, depths))
    offset = pairing.offset
    if isinstance(offset, str):
        offset = round(find_offset(first, second, pairing.longest_gap_s).seconds, 6) + 0.0  # no -0
    near = associate(first, [time + offset for time in second], pairing.longest_gap_s)
    if not near:
        raise InputError(
            f"{folder}: no two of {len(colours)} colour and {len(depths)} depth images lie within "
            f"{1e3 * pairing.longest_gap_s:g} ms; {_cure(first, second, offset)}"
        )
    pairs = tuple((colours[one], depths[other]) for one, other in near)
    if pairing.offset == AUTO:
        written = f"{offset:.6f}".rstrip("0").rstrip(".")
        notes.append(
            f"offset: {written} s are added to the stamps of depth, {len(pairs)} of {len(colours)} colour images "
            f"have a partner then; --offset {written} does the same"
        )
    return RecordedPairs(pairs, len(colours) - len(pairs), tuple(notes))


def _cure(first: Sequence[float], second: Sequence[float], offset: float) -> str:
    """Say what to try where nothing pairs: which depends on how far the sensors' times lie apart."""
    if not (first and second):
        return "one of the lists is empty: check the recording"
    apart = max(min(first) - max(second) - offset, min(second) + offset - max(first))
    if apart <= 0:
        return "allow more with --longest-gap, or name the unit with --stamp-unit if the stamps are no seconds"
    return (
        f"the clocks are {apart:.3g} s apart or more: name the shift with --offset SECONDS, have it found with "
        "--offset auto, or allow more with --longest-gap"
    )


def _from_associations(folder: Path, path: Path, pairing: Pairing) -> RecordedPairs:
    """Return the pairs that a file of associations names."""
    files = ListedFiles(folder)
    rows = []
    for number, line in read_lines(path):
        words = split_line(line, 4)
        if len(words) != 4:
            raise InputError(f"{path}:{number} is {line[:60]!r}; write TIMESTAMP FILE TIMESTAMP FILE, colour and depth")
        one, other = (_stamped(path, number, line, stamp, name, files) for stamp, name in (words[:2], words[2:]))
        rows.append((other, one) if _names_depth_first(words[1], words[3]) else (one, other))
    if not rows:
        raise InputError(f"{path} names no pairs; write TIMESTAMP FILE TIMESTAMP FILE, colour and depth")
    read = [
        _in_seconds([row[column] for row in rows], f"{path.name}, {name}", pairing.stamp_unit)
        for column, name in enumerate((RGB, DEPTH))
    ]
    pairs = sorted(zip(*(stamped for stamped, _ in read), strict=True), key=lambda pair: pair[0].time_s)
    listed = len(_read_list(folder / _LISTS[0], files)) if (folder / _LISTS[0]).is_file() else 0
    notes = tuple(note for _, note in read if note)
    return RecordedPairs(tuple((one, other) for one, other in pairs), max(0, listed - len(pairs)), notes)


def _names_depth_first(first: str, second: str) -> bool:
    """Say whether the files of a pair are depth and colour, in this order, by what is in their paths."""
    return DEPTH in first.lower() and DEPTH not in second.lower()


def _in_seconds(stamped: list[Stamped], name: str, unit: str) -> tuple[list[Stamped], str]:
    """Return images with their times in seconds, and what to tell of it: nothing where they were."""
    found = stamp_unit([one.time_s for one in stamped]) if unit == AUTO else unit
    if found == "s":
        return stamped, ""
    note = f"{name}: stamps are {UNIT_NAMES[found]}"
    note += "; --stamp-unit s if they are seconds" if unit == AUTO else ""
    return [replace(one, time_s=one.time_s * SECONDS_PER[found]) for one in stamped], note


def _read_list(path: Path, files: ListedFiles) -> list[Stamped]:
    """Return the images that a list names; times are as they are written."""
    found = []
    for number, line in read_lines(path):
        stamp, *rest = line.split(maxsplit=1)
        found.append(_stamped(path, number, line, stamp, unquoted("".join(rest)), files))
    return found


def _stamped(path: Path, number: int, line: str, stamp: str, name: str, files: ListedFiles) -> Stamped:
    """Return the image of a line of a list."""
    try:
        time = float(stamp)
        if not name or not math.isfinite(time):
            raise ValueError
    except ValueError as error:
        raise InputError(f"{path}:{number} is {line[:60]!r}; write TIMESTAMP FILE, a number and a path") from error
    return Stamped(time, stamp, files.find(name))
