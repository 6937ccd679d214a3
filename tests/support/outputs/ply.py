"""A reader of binary PLY files, written from the format's description (Greg Turk, PLY 1.0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_TYPES = {"float": "<f4", "double": "<f8", "uchar": "u1", "int": "<i4", "uint": "<u4", "short": "<i2", "ushort": "<u2"}


def read_ply(path: Path) -> tuple[NDArray[np.void], list[str]]:
    """Return the vertices of a file, by the names of their properties, and its comments."""
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    lines = [line.split(" ") for line in data[:end].decode("ascii").splitlines()]
    assert lines[:2] == [["ply"], ["format", "binary_little_endian", "1.0"]]
    elements = [line for line in lines if line[0] == "element"]
    assert [one[1] for one in elements] == ["vertex"]
    kind = np.dtype([(name, _TYPES[form]) for word, form, name in (x for x in lines if x[0] == "property") if word])
    count = int(elements[0][2])
    assert len(data) == end + count * kind.itemsize, "bytes are missing, or too many"
    comments = [" ".join(line[1:]) for line in lines if line[0] == "comment"]
    return np.frombuffer(data, kind, count, end), comments
