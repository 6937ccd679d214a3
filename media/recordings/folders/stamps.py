"""Time stamps of two sensors: the unit that they are written in, and which of them belong together."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

SECONDS_PER = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EPOCH_S = (5e8, 5e9)  # from 1985 to 2128, seconds since 1970; the next unit begins at a hundred times the end
_LONGEST_PAUSE_S = 3600.0  # between two images with stamps that count from 1970
_LONGEST_FRAME_S = 10.0  # with stamps that count from elsewhere


def stamp_unit(stamps: Sequence[float]) -> str:
    """Return the unit that stamps are most likely written in: `s`, `ms`, `us` or `ns`.

    Units are told by size where stamps count from 1970, else by the time between two images.

    Args:
        stamps: numbers as they are written, in any order.
    """
    if not stamps:
        return "s"
    middle, ordered = statistics.median(stamps), sorted(stamps)
    gap = statistics.median([after - before for before, after in itertools.pairwise(ordered)] or [0.0])
    for unit, seconds in SECONDS_PER.items():
        if _EPOCH_S[0] <= middle * seconds < _EPOCH_S[1] and gap * seconds < _LONGEST_PAUSE_S:
            return unit
    return next((unit for unit, seconds in SECONDS_PER.items() if gap * seconds < _LONGEST_FRAME_S), "ns")


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
