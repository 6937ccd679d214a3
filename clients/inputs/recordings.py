"""Recordings of two sensors in TUM's layout, see `crosswire.media.recordings.folders.tum`.

Camera and depth sensor tick on their own, so images of the two lists are associated by time stamp, after a shift if one
is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crosswire.clients.errors import InputError
from crosswire.clients.inputs.clock import SECONDS_PER, UNIT_NAMES, find_offset, stamp_unit
from crosswire.contract.wire_names import DEPTH, RGB
from crosswire.media.recordings.folders.lists import ListedFiles
from crosswire.media.recordings.folders.stamps import associate as associate
from crosswire.media.recordings.folders.tum import (
    LISTS,
    Stamped,
    associations_in,
    has_lists,
    is_tum,
    read_associations,
    read_list,
)
from crosswire.media.recordings.folders.tum import UNITS_PER_METRE as UNITS_PER_METRE
from crosswire.media.recordings.recording import LONGEST_GAP_S as LONGEST_GAP_S
from crosswire.media.recordings.recording import RecordingError

AUTO = "auto"


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
    return is_tum(folder, b"")


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
    try:
        return _read(folder, pairing or Pairing())
    except RecordingError as error:
        raise InputError(str(error)) from error


def _read(folder: Path, pairing: Pairing) -> RecordedPairs:
    """Read the pairs of a recording."""
    associations = associations_in(folder)
    if associations is None or (pairing.shifts and has_lists(folder)):
        return _from_lists(folder, pairing)
    if pairing.shifts:
        raise InputError(
            f"{associations} names the pairs and there is no {' and '.join(LISTS)}, an offset changes nothing; "
            "leave --offset out, or add the two lists"
        )
    return _from_associations(folder, associations, pairing)


def _from_lists(folder: Path, pairing: Pairing) -> RecordedPairs:
    """Return the pairs of the two lists that lie close in time."""
    files = ListedFiles(folder)
    read = [_in_seconds(read_list(folder / name, files), name, pairing.stamp_unit) for name in LISTS]
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
    rows = read_associations(path, files)
    read = [
        _in_seconds([row[column] for row in rows], f"{path.name}, {name}", pairing.stamp_unit)
        for column, name in enumerate((RGB, DEPTH))
    ]
    pairs = sorted(zip(*(stamped for stamped, _ in read), strict=True), key=lambda pair: pair[0].time_s)
    listed = len(read_list(folder / LISTS[0], files)) if (folder / LISTS[0]).is_file() else 0
    notes = tuple(note for _, note in read if note)
    return RecordedPairs(tuple((one, other) for one, other in pairs), max(0, listed - len(pairs)), notes)


def _in_seconds(stamped: list[Stamped], name: str, unit: str) -> tuple[list[Stamped], str]:
    """Return images with their times in seconds, and what to tell of it: nothing where they were."""
    found = stamp_unit([one.time_s for one in stamped]) if unit == AUTO else unit
    if found == "s":
        return stamped, ""
    note = f"{name}: stamps are {UNIT_NAMES[found]}"
    note += "; --stamp-unit s if they are seconds" if unit == AUTO else ""
    return [replace(one, time_s=one.time_s * SECONDS_PER[found]) for one in stamped], note
