"""Sources of offline batches for tests, and what a table holds."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

Pairs = Mapping[str, tuple[bytes, bytes]]
"""Encoded colour and depth by item."""


def write_folder(folder: Path, pairs: Pairs) -> Path:
    """Write a folder per input."""
    for item, files in pairs.items():
        for kind, ending, data in zip(("rgb", "depth"), (".jpg", ".png"), files, strict=True):
            path = folder / kind / f"{item}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def parquet_bytes(pairs: Pairs, group: int = 100) -> bytes:
    """Return a Parquet file of encoded bytes, in row groups of so many rows."""
    rows = [{"item": item, "rgb": rgb, "depth": depth} for item, (rgb, depth) in pairs.items()]
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=group)
    return file.getvalue()


def tar_bytes(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a tar archive; WebDataset asks for equal keys one after the other, and for nothing else."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def pair_members(pairs: Pairs) -> list[tuple[str, bytes]]:
    """Return the members of pairs as WebDataset names them."""
    return [
        member
        for item, (rgb, depth) in pairs.items()
        for member in ((f"{item}.rgb.jpg", rgb), (f"{item}.depth.png", depth))
    ]


def table_rows(folder: Path) -> list[dict[str, Any]]:
    """Return all rows of a table as any other tool reads them, sorted by item."""
    rows: list[dict[str, Any]] = []
    for part in sorted((folder / "table").glob("*.parquet")):
        rows += pyarrow.parquet.read_table(part).to_pylist()
    return sorted(rows, key=lambda row: str(row["item"]))
