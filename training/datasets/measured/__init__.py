"""What is measured on a folder of a user's own frames: settings, and mistakes that no single file shows."""

from __future__ import annotations


def spread(total: int, most: int) -> list[int]:
    """Return the numbers of at most so many of `total` samples, spread over all of them."""
    count = min(most, total)
    return [number * total // count for number in range(count)]
