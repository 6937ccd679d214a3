"""Reading items: the bytes of each reference of a part, in order, each file or row group opened once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crosswire.clients.batch.items import Item
from crosswire.clients.errors import CrosswireError, InputError
from crosswire.contract.wire_names import IMAGE_SUFFIX
from crosswire.offline.sources.parquet import CellReader
from crosswire.offline.sources.references import Cell, Part, Reference, Slice
from crosswire.offline.sources.webdataset import SliceReader
from crosswire.offline.stores import Store

_NOWHERE = Reference("", ())


@dataclass(frozen=True)
class ReadItem(Item):
    """An item whose bytes were read, or why they could not be.

    Attributes:
        data: the bytes of the file for every input tensor.
        reference: where they come from.
    """

    data: Mapping[str, bytes] | None = None
    reference: Reference = _NOWHERE

    def sent(self) -> tuple[Mapping[str, Path | bytes], float | None]:
        """Return what is sent for every input tensor; see `Item.sent`."""
        if self.problem:
            raise InputError(self.problem)
        return dict(self.data or {}), None


def read_items(store: Store, part: Part, optional: frozenset[str]) -> Iterator[ReadItem]:
    """Yield the items of a part, read one after the other; one that cannot be read says so.

    Args:
        store: where the pieces lie.
        part: the items.
        optional: inputs that may be absent, which a cell without a value is.
    """
    slices, cells = SliceReader(store), CellReader(store)
    slices.plan(piece for one in part.references for _, piece in one.pieces if isinstance(piece, Slice))
    for reference in part.references:
        try:
            data = {} if reference.problem else _data(reference, slices, cells, optional)
        except CrosswireError as error:
            yield ReadItem(reference.item, {}, str(error), reference=reference)
            continue
        yield ReadItem(reference.item, {}, reference.problem, data=data, reference=reference)


def _data(reference: Reference, slices: SliceReader, cells: CellReader, optional: frozenset[str]) -> dict[str, bytes]:
    """Return the bytes of an item by input tensor."""
    found: dict[str, bytes | None] = {}
    rows = {name: piece for name, piece in reference.pieces if isinstance(piece, Cell)}
    if rows:
        found.update(zip(rows, cells.read(list(rows.values())), strict=True))
    for name, piece in reference.pieces:
        if isinstance(piece, Slice):
            found[name] = slices.read(piece)
    for name, value in found.items():
        if value is None and name not in optional:
            raise InputError(
                f"{name.removesuffix(IMAGE_SUFFIX)}: the column has no value here; fill it, or drop the row"
            )
    return {name: value for name, value in found.items() if value is not None}
