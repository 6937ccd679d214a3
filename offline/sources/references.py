"""References: where the bytes of an item lie, small enough to send to other machines, and the parts of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crosswire.clients.errors import InputError


@dataclass(frozen=True, slots=True)
class Slice:
    """A file, or a run of bytes in one.

    Attributes:
        file: its name in the source's store.
        offset: where the bytes begin.
        size: how many there are; -1 for all to the end.
    """

    file: str
    offset: int = 0
    size: int = -1


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a Parquet file.

    Attributes:
        file: its name in the source's store.
        group: index of the row group.
        row: index of the row in its group.
        column: name of the column.
    """

    file: str
    group: int
    row: int
    column: str


Piece: TypeAlias = Slice | Cell


@dataclass(frozen=True, slots=True)
class Reference:
    """One item and where its bytes lie.

    Attributes:
        item: its name, unique in the batch; outputs are named after it.
        pieces: input tensor and piece, in the order of the pipeline's inputs.
        problem: why it cannot be asked about, or an empty text.
        state: changes where its files change; an item that was refused is asked about again then.
    """

    item: str
    pieces: tuple[tuple[str, Piece], ...]
    problem: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some items that one worker does one after the other, and whose rows are committed together.

    Attributes:
        name: of its file in the table, the same for the same items of the same run.
        references: the items.
    """

    name: str
    references: tuple[Reference, ...]


def state_of(*facts: object) -> str:
    """Return a short text that changes where one of some facts changes."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def naming_problem(item: str) -> str:
    """Say why a name cannot be that of files below a folder, or nothing."""
    parts = item.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in item or not item.isprintable():
        return f"{item!r} cannot be the name of a file; expected a name like kitchen/000123, try another one"
    return ""


def check_unique(references: Sequence[Reference]) -> None:
    """Raise `InputError` where two items have one name: their outputs would overwrite each other."""
    seen: set[str] = set()
    for one in references:
        if one.item in seen:
            raise InputError(f"several items are named {one.item!r} and would overwrite each other; rename them")
        seen.add(one.item)


def cut(references: Sequence[Reference], size: int, run: int) -> Iterator[Part]:
    """Yield the parts of a run, in the order of the items.

    Args:
        references: the items that are left.
        size: most items of a part.
        run: number of the run, from 1; the names of later ones sort behind.
    """
    for start in range(0, len(references), size):
        some = tuple(references[start : start + size])
        told = hashlib.sha256("\n".join(one.item for one in some).encode()).hexdigest()[:16]
        yield Part(f"part-{run:05}-{start // size:07}-{told}", some)
