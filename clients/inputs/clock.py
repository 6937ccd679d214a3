"""Time stamps of two sensors: how far the two clocks are apart.

An offset is searched among the differences of all stamps: the right one is where images pair most closely. Where the
sensors tick evenly a shift by a whole frame pairs as well, and no offset is found rather than a wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosswire.clients.errors import InputError
from crosswire.media.recordings.folders.stamps import SECONDS_PER as SECONDS_PER
from crosswire.media.recordings.folders.stamps import UNIT_NAMES as UNIT_NAMES
from crosswire.media.recordings.folders.stamps import stamp_unit as stamp_unit

_FEWEST = 20  # fewer stamps fit together by chance
_CLEARLY, _LEAST_SCORE = 1.4, 0.45
_SMALLEST_WIDTH_S = 1e-4
_PROBED, _CANDIDATES = 48, 6
_NONE_FITS = (
    "no offset between the clocks pairs the stamps of colour and depth; name it: --offset SECONDS, or check that the "
    "two lists are of one recording"
)

Times = NDArray[np.float64]


@dataclass(frozen=True)
class ClockOffset:
    """A shift of the second sensor's stamps.

    Attributes:
        seconds: what is added to them.
        pairs: images of the first sensor that then have one of the second close by.
        score: how well these pair, 0..1.
    """

    seconds: float
    pairs: int
    score: float


def find_offset(first: Sequence[float], second: Sequence[float], longest_gap_s: float) -> ClockOffset:
    """Return the shift of the second sensor's stamps that pairs best with the first's.

    Args:
        first: seconds, in any order.
        second: the same of the other sensor.
        longest_gap_s: how far the stamps of a pair may lie apart.

    Raises:
        InputError: no shift pairs them, or several do about equally well.
    """
    one, other = np.sort(np.asarray(first, np.float64)), np.sort(np.asarray(second, np.float64))
    if min(len(one), len(other)) < _FEWEST:
        raise InputError(
            f"got {len(one)} colour and {len(other)} depth images, an offset is found from {_FEWEST} or more; "
            "name it: --offset SECONDS"
        )
    width = min(longest_gap_s, _period(one) / 4, _period(other) / 4)
    width = max(width, _SMALLEST_WIDTH_S)
    refined = [_refined(one, other, shift, width) for shift in _candidates(one, other, width)]
    found = [(shift, spread) for shift, spread, pairs in refined if pairs >= _enough(one, other)]
    if not found:
        raise InputError(_NONE_FITS)
    closest = min(spread for _, spread in found)
    narrow = min(max(3 * closest, _SMALLEST_WIDTH_S), width)
    scored = sorted((_scored(one, other, shift, narrow) for shift, _ in found), key=lambda offset: -offset.score)
    best = scored[0]
    rival = next((offset for offset in scored if abs(offset.seconds - best.seconds) > width), None)
    if rival is not None and best.score < _CLEARLY * rival.score:
        raise InputError(
            f"offsets of {best.seconds:.3f} s and {rival.seconds:.3f} s pair colour and depth about equally well "
            f"({best.pairs} and {rival.pairs} pairs), the stamps cannot tell which is right; name it: --offset SECONDS"
        )
    if best.score < _LEAST_SCORE:
        raise InputError(_NONE_FITS)
    return best


def _period(times: Times) -> float:
    """Return the median time between images that do not share a stamp, seconds."""
    gaps = np.diff(times)
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else math.inf


def _enough(one: Times, other: Times) -> int:
    """Return how many pairs an offset needs to count."""
    return min(len(one), len(other)) // 2


def _candidates(one: Times, other: Times, width: float) -> list[float]:
    """Return shifts at which many differences of stamps agree, and those a frame or two beside them."""
    probed = one[np.unique(np.linspace(0, len(one) - 1, _PROBED).astype(int))]
    differences = np.sort((probed[:, None] - other[None, :]).ravel())
    shifts: list[float] = [0.0]
    for scale in (width, width / 4, width / 16, width / 64):
        counts = np.searchsorted(differences, differences + 2 * scale, "right") - np.arange(len(differences))
        chosen: list[float] = []
        for index in np.argsort(-counts, kind="stable"):
            shift = float(differences[index] + scale)
            if all(abs(shift - taken) > width for taken in chosen):
                chosen.append(shift)
            if len(chosen) == _CANDIDATES:
                break
        shifts += chosen
    steps = {sign * count * period for period in (_period(one), _period(other)) for count in (1, 2) for sign in (-1, 1)}
    return shifts + [shift + step for shift in shifts for step in steps if math.isfinite(step)]


def _refined(one: Times, other: Times, shift: float, width: float) -> tuple[float, float, int]:
    """Return a shift moved to the middle of its pairs, how far these spread around it (median), and how many."""
    for _ in range(2):
        gaps = _gaps(one, other, shift)
        near = gaps[np.abs(gaps) <= width]
        if not len(near):
            return shift, math.inf, 0
        shift += float(np.median(near))
    return shift, float(np.median(np.abs(near - np.median(near)))), len(near)


def _scored(one: Times, other: Times, shift: float, width: float) -> ClockOffset:
    """Return a shift with the closeness of its pairs, per image that could have one."""
    inside = (one >= other[0] + shift - width) & (one <= other[-1] + shift + width)
    closeness = np.clip(1 - np.abs(_gaps(one[inside], other, shift)) / width, 0, None)
    possible = min(int(inside.sum()), len(other))
    return ClockOffset(shift, int((closeness > 0).sum()), float(closeness.sum()) / max(possible, 1))


def _gaps(one: Times, other: Times, shift: float) -> Times:
    """Return how much later each image of the first sensor is than the nearest of the shifted second."""
    moved = other + shift
    after = np.clip(np.searchsorted(moved, one), 1, len(moved) - 1)
    late, early = one - moved[after - 1], one - moved[after]
    nearest: Times = np.where(np.abs(late) <= np.abs(early), late, early)
    return nearest
