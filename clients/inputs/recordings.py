"""Recordings of two sensors in TUM's layout.

A recording is a folder with `rgb.txt` and `depth.txt`, whose lines are `TIMESTAMP FILE`, seconds and a path
(https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats). Camera and depth sensor tick on their own, so images
are associated by time stamp; depth counts 5000 units per metre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crosswire.clients.errors import InputError

UNITS_PER_METRE = 5000.0
LONGEST_GAP_S = 0.02
_LISTS = ("rgb.txt", "depth.txt")


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


def is_recording(folder: Path) -> bool:
    """Say whether a folder is in TUM's layout."""
    return all((folder / name).is_file() for name in _LISTS)


def read_recording(folder: Path, longest_gap_s: float = LONGEST_GAP_S) -> tuple[list[tuple[Stamped, Stamped]], int]:
    """Read the pairs of a recording.

    Args:
        folder: in TUM's layout.
        longest_gap_s: how far the time stamps of a pair may lie apart.

    Returns:
        Colour and depth image of every pair in the order of time, and how many colour images have no partner.

    Raises:
        InputError: a list cannot be read, or there is no pair.
    """
    colours, depths = (_read_list(folder / name) for name in _LISTS)
    near = associate([one.time_s for one in colours], [one.time_s for one in depths], longest_gap_s)
    if not near:
        raise InputError(
            f"{folder}: no two of {len(colours)} colour and {len(depths)} depth images lie within "
            f"{1e3 * longest_gap_s:g} ms; allow more with --longest-gap"
        )
    return [(colours[one], depths[other]) for one, other in near], len(colours) - len(near)


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


def _read_list(path: Path) -> list[Stamped]:
    """Return the images that a list names."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); check the recording") from error
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        try:
            time = float(words[0])
            if len(words) < 2 or not math.isfinite(time):
                raise ValueError
        except ValueError as error:
            raise InputError(f"{path}:{number} is {line[:60]!r}; write TIMESTAMP FILE, seconds and a path") from error
        found.append(Stamped(time, words[0], path.parent / words[1].strip()))
    return found
