"""A z-buffer for rectangles: of all that cover a pixel the nearest distance stays.

Written in numpy for speed on one core. Distances are compared as whole numbers: the bits of negated ones, with their
sign, are negative numbers in the order of the distances, and the bits of 0, no reading, are above all of them. Every
step is arithmetic on all patches, for choosing some by a mask costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_NO_SIGN = np.int32(0x7FFFFFFF)
_LARGE = 3.0  # half a size, pixels, from which patches outside the image are sorted out
_STRIP = 32  # rows that are finished at once
_EXACT = 1 << 24  # whole numbers up to here are exact in float32
_Floats = npt.NDArray[np.float32]
_Whole = npt.NDArray[np.intp]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True)
class Patches:
    """Rectangles of some distance, float32 [N].

    Attributes:
        z: distances, above 0.
        seen: which are patches at all, bool; the others may hold anything.
        column, row: of their centres.
        wide, high: half their sizes, at least half a pixel each.
    """

    z: _Floats
    seen: npt.NDArray[np.bool_]
    column: _Floats
    row: _Floats
    wide: _Floats
    high: _Floats


class ZBuffer:
    """The nearest distance of every pixel so far.

    A border takes what lies outside the image, so that nothing is cut. There are two layers: in one a distance is for
    its pixel, in the other for the pixel below as well, which saves half of the entries of most patches.
    """

    def __init__(self, width: int, height: int, largest: float) -> None:
        """Begin with nothing.

        Args:
            width: pixels per row.
            height: rows.
            largest: half the size of the largest patch, pixels.
        """
        self._large = largest > _LARGE
        self._border = 2 * int(np.ceil(largest)) + 2  # the middle of it holds a whole patch
        self._shape = height + 2 * self._border, width + 2 * self._border
        self._layer = self._shape[0] * self._shape[1]
        self._bits = np.zeros(2 * self._layer, np.int32)
        self._index: Any = np.float32 if self._bits.size <= _EXACT else np.float64

    def enter(self, patches: Patches) -> None:
        """Enter patches; every pixel whose centre one covers is seen."""
        bits = _bits(patches.z, patches.seen)
        left, right = self._span(patches.column, patches.wide, self._shape[1])
        top, bottom = self._span(patches.row, patches.high, self._shape[0])
        if self._large:
            visible = self._visible(patches.seen, left, right, top, bottom)
            bits = bits[visible]
            left, right, top, bottom = (edge[visible] for edge in (left, right, top, bottom))
        pairs = np.fmin(bottom - top, np.full_like(top, 1))  # 1 where a patch has two rows or more
        layer, lines = pairs.astype(self._index, copy=False) * self._index(self._layer), self._index(self._shape[1])
        for row, tall in _steps(top, bottom - pairs, 2):
            start = _some(layer, tall) + row.astype(self._index, copy=False) * lines
            values = _some(bits, tall)
            for column, wide in _steps(_some(left, tall), _some(right, tall), 1):
                np.minimum.at(self._bits, (_some(start, wide) + column).astype(np.intp), _some(values, wide))

    def image(self) -> _Floats:
        """Return the nearest distances, float32 [H, W], 0 where nothing was entered."""
        border, (height, width) = self._border, self._shape
        single, double = self._bits.reshape(2, height, width)[:, :, border:-border]
        bits = np.empty((height - 2 * border, width - 2 * border), np.int32)
        for start in range(0, len(bits), _STRIP):
            part = bits[start : start + _STRIP]
            first, last = border + start, border + start + len(part)
            np.minimum(double[first:last], double[first - 1 : last - 1], out=part)
            np.minimum(single[first:last], part, out=part)
            np.bitwise_and(part, _NO_SIGN, out=part)
        return bits.view(np.float32)

    def _visible(
        self, seen: npt.NDArray[np.bool_], left: _Floats, right: _Floats, top: _Floats, bottom: _Floats
    ) -> _Whole:
        """Return which patches are in the image: worth a look where they are large."""
        border, (height, width) = self._border, self._shape
        across = (right >= border) & (left < width - border)
        return np.flatnonzero(seen & across & (bottom >= border) & (top < height - border))

    def _span(self, centre: _Floats, half: _Floats, size: int) -> tuple[_Floats, _Floats]:
        """Return the first and the last pixel, in the bordered image, of patches along one axis."""
        low, high = np.full_like(centre, self._border / 2 - 1), np.full_like(centre, size - self._border / 2)
        inside = np.fmin(np.fmax(centre + np.float32(self._border), low), high)  # arrays are quicker than numbers here
        return np.ceil(inside - half), np.floor(inside + half)


def _bits(z: _Floats, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Return the bits of negated distances; of what is none, bits that are not below those of 0."""
    sign = seen.view(np.int8).astype(np.int32)
    sign <<= 31
    sign |= np.abs(z).view(np.int32)
    return sign


def _steps(first: _Floats, last: _Floats, stride: int) -> Iterator[tuple[_Floats, _Whole | None]]:
    """Yield numbers from the first to the last of every patch, a stride apart, and which patches they are for.

    Short spans repeat their last number while most are longer; where most are short, these are left out. None stands
    for all patches.
    """
    yield first, None
    chosen: _Whole | None = None
    span = last - first
    for step in range(stride, int(span.max(initial=0)) + stride, stride):
        longer = span > step - stride
        if 2 * np.count_nonzero(longer) < longer.size:
            more = np.flatnonzero(longer)
            first, last, span = first[more], last[more], span[more]
            chosen = more if chosen is None else chosen[more]
        yield np.fmin(first + np.float32(step), last), chosen


def _some(values: npt.NDArray[_Number], chosen: _Whole | None) -> npt.NDArray[_Number]:
    """Return the chosen values, None for all."""
    return values if chosen is None else values[chosen]
