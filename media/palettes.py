"""Distinct colours for classes that have none of their own."""

from __future__ import annotations


def spread_palette(classes: int) -> tuple[tuple[int, int, int], ...]:
    """Return distinct colours, as PASCAL VOC numbers them.

    The bits of a class's number are dealt to red, green and blue in turn, highest first. Number 0, black, is left for
    "unlabelled", so class k has the colour of number k + 1.
    """
    return tuple(
        tuple(sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3))  # type: ignore[misc]
        for number in range(1, classes + 1)
    )
