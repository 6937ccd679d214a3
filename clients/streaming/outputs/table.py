"""A row per frame: when it was taken, what was found, how certain, how long it took, what the server warned of."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from typing import Any, Protocol

from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder
from crosswire.clients.streaming.outputs.frame import LabelledFrame, ResultWriter, told

ENDINGS = (".csv", ".jsonl", ".parquet")
_ROWS_PER_GROUP = 1024
_COLUMNS = ("index", "time_s", "stamp_ns", "latency_ms", "mean_confidence", "warnings")


def check_table(path: Path) -> None:
    """Raise `InputError` unless a file's ending names a table that can be written here."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"got the table {path}, expected a file that ends in {', '.join(ENDINGS)}; try frames.csv")
    if path.suffix.lower() == ".parquet":
        _parquet()


def row_of(frame: LabelledFrame) -> dict[str, Any]:
    """Return what is told of a frame: plain JSON types, `share.CLASS` for every class, 0..1."""
    result = frame.result
    latency = None if frame.latency_ms is None else round(frame.latency_ms, 3)
    warnings = "; ".join(result.warnings)
    values = (frame.index, round(frame.time_s, 9), frame.stamp_ns, latency, result.mean_confidence, warnings)
    shares = {f"share.{name}": share for name, share in result.shares.items()}
    return dict(zip(_COLUMNS, values, strict=True)) | shares


class TableWriter(ResultWriter):
    """Writes a table as CSV, JSON lines or, with pyarrow, Parquet; a frame without a result has no row."""

    def __init__(self, path: Path) -> None:
        """Make the file.

        Args:
            path: of the file; its ending says what it is.

        Raises:
            InputError: it ends in something else, or needs a package.
            OutputError: it cannot be written.
        """
        check_table(path)
        prepare_folder(path.parent)
        forms: dict[str, type[_Rows]] = {".csv": _Csv, ".jsonl": _JsonLines, ".parquet": _Parquet}
        self._path = path
        with told(path):
            self._rows: _Rows | None = forms[path.suffix.lower()](path)

    def add(self, frame: LabelledFrame) -> None:
        """Write a row."""
        assert self._rows is not None
        with told(self._path):
            self._rows.add(row_of(frame))

    def close(self) -> None:
        """Complete the file."""
        rows, self._rows = self._rows, None
        if rows is not None:
            with told(self._path):
                rows.close()


class _Rows(Protocol):
    """One form of a table."""

    def __init__(self, path: Path) -> None:
        """Make the file."""

    def add(self, row: dict[str, Any]) -> None:
        """Write a row; all have the same names."""

    def close(self) -> None:
        """Complete the file."""


class _JsonLines:
    """An object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def add(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Csv:
    """Comma-separated values (RFC 4180) with a line of names; what is not known is an empty field."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows: csv.DictWriter[str] | None = None

    def add(self, row: dict[str, Any]) -> None:
        if self._rows is None:
            self._rows = csv.DictWriter(self._file, list(row))
            self._rows.writeheader()
        self._rows.writerow(row)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """Columns of Apache Parquet, in groups of rows."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._parquet = _parquet()
        self._file = path.open("wb")
        self._waiting: list[dict[str, Any]] = []
        self._writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) >= _ROWS_PER_GROUP:
            self._flush(row)

    def close(self) -> None:
        with self._file:
            self._flush(self._waiting[0] if self._waiting else dict.fromkeys(_COLUMNS))
            self._writer.close()

    def _flush(self, like: dict[str, Any]) -> None:
        """Write the rows that wait; the first ones say which columns there are."""
        if self._writer is None:
            schema = self._arrow.schema([(name, self._type_of(name)) for name in like])
            self._writer = self._parquet.ParquetWriter(self._file, schema)
        if self._waiting:
            self._writer.write_table(self._arrow.Table.from_pylist(self._waiting, self._writer.schema))
            self._waiting = []

    def _type_of(self, column: str) -> Any:
        whole, text = column in ("index", "stamp_ns"), column == "warnings"
        return self._arrow.int64() if whole else self._arrow.string() if text else self._arrow.float64()


def _parquet() -> tuple[Any, Any]:
    """Return pyarrow and its part for Parquet."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InputError(
            "a .parquet table needs pyarrow; install it: pip install pyarrow, or name a file that ends in .csv"
        ) from error
