"""The table of results: one row per item, in Parquet files that are committed whole.

    item        name of the item
    files       what the image holds and its file below the results: {"labels": "labels/kitchen/000123.png"}
    shares      share of the area, 0..1, by name of the class, where the pipeline finds classes
    warnings    what was found odd about the item
    timings     milliseconds: prepare_ms, request_ms, read_ms, total_ms
    figures     everything else that was found, JSON text as a line of `results.jsonl` has it
    error       kind of the error, null for an item with a result
    reason      the error in words
    final       whether it fails again as long as its files stay as they are
    state       changes where the files of the item change

A part has the same name for the same items of the same run: a worker that does it a second time replaces it. Of rows
for one item in several parts that of the last part by name counts; `tidy` removes the others.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from crosswire.clients.batch.work import ItemResult
from crosswire.clients.errors import InputError
from crosswire.contract.wire_names import SUMMARY
from crosswire.offline.packages import needed
from crosswire.offline.sources.parquet import opened
from crosswire.offline.sources.references import Reference
from crosswire.offline.stores import Store

TABLE = "table"
_ENDING = ".parquet"
_TIMES = ("prepare_ms", "request_ms", "read_ms", "total_ms")
_PURPOSE = "the table of results"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; the fields are its columns."""

    item: str
    files: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    figures: str = ""
    error: str | None = None
    reason: str | None = None
    final: bool = False
    state: str = ""


def result_row(reference: Reference, result: ItemResult, files: Mapping[str, str]) -> Row:
    """Return the row of an item that has a result, whose images are in some files."""
    figures = json.dumps(result.figures(), ensure_ascii=False)
    times = {name: getattr(result.timings, name) for name in _TIMES}
    return Row(reference.item, files, _shares(result), result.warnings, times, figures, state=reference.state)


def error_row(reference: Reference, error: Exception, *, final: bool) -> Row:
    """Return the row of an item that has none; what is not final is tried again by the next run."""
    reason = " ".join(str(error).split())
    return Row(reference.item, error=type(error).__name__, reason=reason, final=final, state=reference.state)


def _shares(result: ItemResult) -> dict[str, float]:
    """Return the shares of classes that a result tells, by name."""
    summary = result.values.get(SUMMARY)
    classes = summary.get("classes", ()) if isinstance(summary, dict) else ()
    return {str(one["name"]): float(one["share"]) for one in classes if "share" in one}


def commit(store: Store, part: str, rows: Sequence[Row]) -> None:
    """Write a part of the table, all of it or nothing.

    Raises:
        OutputError: it cannot be written.
    """
    store.write(f"{TABLE}/{part}{_ENDING}", _encoded([asdict(row) for row in rows]))


def part_names(store: Store) -> list[str]:
    """Return the names of all committed parts, the newest last."""
    start = len(TABLE) + 1
    found = (name[start : -len(_ENDING)] for name in store.names(TABLE) if name.endswith(_ENDING))
    return sorted(name for name in found if name.startswith("part-") and "/" not in name)


def next_run(store: Store) -> int:
    """Return the number of a run that begins now: 1 more than that of the newest part."""
    numbers = [int(name.split("-")[1]) for name in part_names(store)]
    return max(numbers, default=0) + 1


def rows_of(store: Store, part: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield some columns of the rows of a part.

    Raises:
        InputError: it is no part of such a table.
    """
    name = f"{TABLE}/{part}{_ENDING}"
    with opened(store, name) as file:
        if lacking := [one for one in columns if one not in file.schema_arrow.names]:
            raise InputError(f"{store.place}/{name} lacks the column {lacking[0]!r}; move it out of {TABLE}/")
        for batch in file.iter_batches(columns=list(columns)):
            yield from batch.to_pylist()


def keep_rows(store: Store, part: str, items: frozenset[str]) -> None:
    """Leave only the rows of some items in a part; one that would be empty is removed."""
    names = list(Row.__dataclass_fields__)
    left = [row for row in rows_of(store, part, names) if row["item"] in items]
    if left:
        store.write(f"{TABLE}/{part}{_ENDING}", _encoded(left))
    else:
        store.remove(f"{TABLE}/{part}{_ENDING}")


def _encoded(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as the bytes of a Parquet file."""
    arrow, parquet = needed("pyarrow", _PURPOSE), needed("pyarrow.parquet", _PURPOSE)
    buffer = io.BytesIO()
    plain = [{**row, "files": _pairs(row["files"]), "shares": _pairs(row["shares"])} for row in rows]
    parquet.write_table(arrow.Table.from_pylist(plain, _schema(arrow)), buffer, compression="zstd")
    return buffer.getvalue()


def _pairs(value: Any) -> list[tuple[str, Any]]:
    """Return a map as pyarrow takes and gives it."""
    return list(value.items()) if isinstance(value, Mapping) else list(value)


def _schema(arrow: Any) -> Any:
    """Return the columns of the table and their types."""
    text, number = arrow.string(), arrow.float64()
    return arrow.schema(
        [
            arrow.field("item", text, nullable=False),
            ("files", arrow.map_(text, text)),
            ("shares", arrow.map_(text, number)),
            ("warnings", arrow.list_(text)),
            ("timings", arrow.struct([(name, number) for name in _TIMES])),
            ("figures", text),
            ("error", text),
            ("reason", text),
            ("final", arrow.bool_()),
            ("state", text),
        ]
    )
