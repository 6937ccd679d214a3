"""Parquet files as a source: a column of encoded bytes per input (`rgb`, `depth`), and `item` with the names.

A column of images as the `datasets` library writes them, a struct with `bytes` in it, is read as well. Without a column
`item` a row is named after its file and its place in it, `shard-3/000012`. Names are read beforehand, bytes by workers,
row group by row group: groups as large as the parts of a batch are read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from crosswire.clients.batch.items import domain
from crosswire.clients.errors import InputError
from crosswire.clients.inputs.folders import composed
from crosswire.contract import PipelineDescription
from crosswire.offline.packages import needed
from crosswire.offline.sources.references import Cell, Reference, naming_problem, state_of
from crosswire.offline.stores import FileState, Store, unreadable

ITEM = "item"
_BYTES = "bytes"
_AT_ONCE = 16
_ROWS = 32


def parquet_references(
    store: Store, files: dict[str, FileState], pipeline: PipelineDescription
) -> tuple[Reference, ...]:
    """Return an item per row of some files, in their order.

    Args:
        store: where they lie.
        files: their names, and their states.
        pipeline: whom the items are for.

    Raises:
        InputError: a file cannot be read, or lacks a column that the pipeline cannot do without.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(partial(_in_file, store, pipeline), files.items())
        return tuple(reference for references in found for reference in references)


@contextmanager
def opened(store: Store, name: str) -> Iterator[Any]:
    """Open a Parquet file.

    Raises:
        InputError: it cannot be read, or is none.
    """
    parquet = needed("pyarrow.parquet", "a Parquet file")
    with store.open(name) as file:
        try:
            yield parquet.ParquetFile(file)
        except (OSError, ValueError) as error:  # those of pyarrow are among them
            raise unreadable(store, name, error) from error


def _in_file(store: Store, pipeline: PipelineDescription, entry: tuple[str, FileState]) -> list[Reference]:
    """Return an item per row of one file."""
    name, state = entry
    with opened(store, name) as file:
        columns = _columns(file.schema_arrow, pipeline, f"{store.place}/{name}")
        named = ITEM in file.schema_arrow.names
        references: list[Reference] = []
        stem = PurePosixPath(name).with_suffix("").as_posix()
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            items = file.read_row_group(group, [ITEM])[ITEM].to_pylist() if named else [None] * rows
            for row, item in enumerate(items):
                said = f"{stem}/{len(references):06}" if item is None else composed(str(item))
                pieces = tuple((tensor, Cell(name, group, row, column)) for tensor, column in columns)
                references.append(
                    Reference(said, pieces, naming_problem(said), state_of(name, state.size, state.changed_ns))
                )
        return references


def _columns(schema: Any, pipeline: PipelineDescription, place: str) -> list[tuple[str, str]]:
    """Return input tensor and column of every input that a file holds."""
    found = []
    for tensor in pipeline.files:
        column = next((one for one in (domain(tensor), tensor.name) if one in schema.names), None)
        if column is not None:
            _check_bytes(schema.field(column).type, column, place)
            found.append((tensor.name, column))
        elif not tensor.optional:
            raise InputError(
                f"{place} has the columns {', '.join(schema.names)}; pipeline {pipeline.name!r} needs the encoded "
                f"bytes of {', '.join(domain(one) for one in pipeline.files)}: rename the columns"
            )
    if not found:
        raise InputError(f"{place} has the columns {', '.join(schema.names)}, none of which {pipeline.name!r} takes")
    return found


def _check_bytes(found: Any, column: str, place: str) -> None:
    """Raise `InputError` where a column holds no bytes."""
    types = needed("pyarrow", "a Parquet file").types
    inner = found
    if types.is_struct(found) and found.get_field_index(_BYTES) >= 0:
        inner = found.field(_BYTES).type
    if not (types.is_binary(inner) or types.is_large_binary(inner)):
        raise InputError(f"{place}: column {column!r} holds {found}, expected are the bytes of encoded files (binary)")


class CellReader:
    """Reads cells; those of one row group one after the other, a few rows at a time, so that little is in memory."""

    def __init__(self, store: Store) -> None:
        """Take where the files lie."""
        self._store = store
        self._key: tuple[str, int, tuple[str, ...]] | None = None
        self._rows: Iterator[dict[str, Any]] = iter(())
        self._next = 0

    def read(self, cells: Sequence[Cell]) -> list[bytes | None]:
        """Return the bytes of some cells of one row; None where there is no value.

        Raises:
            InputError: the file cannot be read, or is not what it was.
        """
        first = cells[0]
        key = (first.file, first.group, tuple(cell.column for cell in cells))
        if key != self._key or first.row < self._next:
            self._key, self._next = key, 0
            self._rows = self._values(*key)
        try:
            while True:
                row = next(self._rows)
                self._next += 1
                if self._next > first.row:
                    return [_bytes(row[cell.column]) for cell in cells]
        except StopIteration as error:
            self._key = None
            raise InputError(f"{self._store.place}/{first.file} has fewer rows than it had; begin again") from error

    def _values(self, name: str, group: int, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        """Yield the values of a row group, row by row."""
        with opened(self._store, name) as file:
            for batch in file.iter_batches(_ROWS, row_groups=[group], columns=list(columns)):
                yield from batch.to_pylist()


def _bytes(value: Any) -> bytes | None:
    """Return the bytes of a cell, of a struct those in it."""
    if isinstance(value, dict):
        value = value.get(_BYTES)
    return value if isinstance(value, bytes) else None
