"""What is done and what is missing: an item is done once its row is in a committed part and its files are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosswire.offline.results.table import keep_rows, part_names, rows_of
from crosswire.offline.sources.references import Reference
from crosswire.offline.stores import Store

_COLUMNS = ("item", "files", "warnings", "error", "final", "state")


@dataclass(frozen=True, slots=True)
class Committed:
    """What the table says of an item.

    Attributes:
        part: the part that says it, the newest one if several do.
        files: its files.
        warned: names of what was found odd about it.
        error: kind of its error, or None.
        final: whether it fails again as long as its files stay as they are.
        state: of its files when it was done.
    """

    part: str
    files: tuple[str, ...]
    warned: tuple[str, ...]
    error: str | None
    final: bool
    state: str


@dataclass(frozen=True)
class Recorded:
    """Everything that a table says.

    Attributes:
        items: the newest row of every item, by its name.
        older: per part the items of which a newer part has a row, too.
    """

    items: Mapping[str, Committed]
    older: Mapping[str, frozenset[str]]


def recorded(store: Store) -> Recorded:
    """Read what the committed parts say.

    Raises:
        InputError: a part cannot be read.
    """
    items: dict[str, Committed] = {}
    older: dict[str, set[str]] = {}
    for part in part_names(store):
        for row in rows_of(store, part, _COLUMNS):
            if (before := items.get(row["item"])) is not None:
                older.setdefault(before.part, set()).add(row["item"])
            items[row["item"]] = _committed(part, row)
    return Recorded(items, {part: frozenset(some) for part, some in older.items()})


def _committed(part: str, row: Mapping[str, Any]) -> Committed:
    """Return what one row says."""
    files = tuple(file for _, file in row["files"] or ())
    warned = tuple(dict.fromkeys(text.partition(":")[0] for text in row["warnings"] or ()))
    return Committed(part, files, warned, row["error"], bool(row["final"]), row["state"] or "")


def present_files(store: Store, kinds: Iterable[str]) -> frozenset[str]:
    """Return the files of some kinds that are there."""
    return frozenset(name for kind in kinds for name in store.names(kind))


def missing(
    references: Sequence[Reference], items: Mapping[str, Committed], files: frozenset[str], *, again: bool
) -> tuple[Reference, ...]:
    """Return the items that a run has to do.

    Args:
        references: all items of the source.
        items: what the table says.
        files: the files that are there.
        again: whether every item that failed is done again, even if its files are what they were.
    """
    return tuple(one for one in references if not _is_done(one, items.get(one.item), files, again))


def _is_done(reference: Reference, found: Committed | None, files: frozenset[str], again: bool) -> bool:
    """Say whether nothing is left to do for an item."""
    if found is None:
        return False
    if found.error is not None:
        return found.final and not again and found.state == reference.state
    return files.issuperset(found.files)


def tidy(store: Store, found: Recorded) -> None:
    """Remove rows for which a newer part has another one; killed meanwhile, the next run goes on with it.

    Raises:
        OutputError: a part cannot be written.
    """
    counts = Counter(one.part for one in found.items.values())
    for part in found.older:
        keep = frozenset(item for item, one in found.items.items() if one.part == part) if counts[part] else frozenset()
        keep_rows(store, part, keep)
