"""Published parameter counts and shapes beside those of the networks built here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedSize:
    """One figure.

    Attributes:
        item: what is counted.
        computed: what the network built here has.
        reported: what the papers print, in millions of parameters; None where they print nothing.
    """

    item: str
    computed: int | str
    reported: float | None = None

    @property
    def verdict(self) -> str:
        """`ok` where the computed figure, in hundredths of a million, rounds to the reported one; else how far off."""
        if self.reported is None or isinstance(self.computed, str):
            return "-"
        difference = round(self.computed / 1e6, 2) - self.reported
        return "ok" if abs(difference) < 0.051 else f"{difference:+.1f}M"
