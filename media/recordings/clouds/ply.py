"""PLY with the size of an image: scanners write `obj_info num_cols` and `num_rows`, others a comment.

Points are the pixels, row after row, or an element `range_grid` has a list for each pixel with the number of its point,
empty where there is no reading (Stanford's range images, http://graphics.stanford.edu/data/3Dscanrep/).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.recordings.clouds.cloud import Cloud, CloudError, channels_of, check_size, damage_told

MAGICS = (b"ply\n", b"ply\r\n")
_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_WIDTH = re.compile(r"(?:comment|obj_info)\s+(?:num_cols|width)\s*[:=]?\s*(\d+)", re.IGNORECASE)
_HEIGHT = re.compile(r"(?:comment|obj_info)\s+(?:num_rows|height)\s*[:=]?\s*(\d+)", re.IGNORECASE)
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_GRID = "range_grid"
_LONGEST_HEADER = 1 << 16


@dataclass
class _Element:
    """A kind of element: its name, how many there are, and its properties as they are written in the header."""

    name: str
    count: int
    properties: list[list[str]] = field(default_factory=list)

    @property
    def lists(self) -> bool:
        """Whether a property is a list."""
        return any(one[0] == "list" for one in self.properties)


@dataclass(frozen=True)
class _Header:
    """What the header says; `order` is that of bytes, empty for text."""

    order: str
    width: int
    height: int
    elements: tuple[_Element, ...]
    end: int


@damage_told
def read_ply(data: bytes) -> Cloud:
    """Read a cloud.

    Raises:
        CloudError: it is damaged, not organised, or has no colour.
    """
    header = _header(data)
    points = next((one for one in header.elements if one.name == "vertex"), None)
    if points is None or not {"x", "y", "z"} <= {one[-1] for one in points.properties}:
        raise CloudError("holds no points with x, y and z; export it again")
    check_size(header.width, header.height, points.count)
    fields, grid = _read(header, data[header.end :])
    count = header.width * header.height
    if grid is None and points.count != count:
        raise CloudError(
            f"holds {points.count} points and says {header.width} x {header.height}, expected one for each pixel or an "
            f"element {_GRID}; export all points"
        )
    places = np.stack([fields[axis].astype(np.float32) for axis in "xyz"], axis=-1)
    colours = channels_of(fields)
    if grid is not None:
        if len(grid) != count or grid.max(initial=-1) >= points.count:
            raise CloudError(f"has a {_GRID} of {len(grid)} pixels, expected {header.width} x {header.height}")
        places = np.where(grid[:, None] < 0, np.float32(np.nan), places[grid] if len(places) else np.float32(0))
        colours = np.where(grid[:, None] < 0, np.uint8(0), colours[grid] if len(colours) else np.uint8(0))
    shape = header.height, header.width, 3
    return Cloud(places.reshape(shape), colours.reshape(shape))


def _header(data: bytes) -> _Header:
    """Read the header."""
    order: str | None = None
    size = [0, 0]
    elements: list[_Element] = []
    stream = io.BytesIO(data[:_LONGEST_HEADER])
    try:
        for line in stream:
            text = line.decode("latin-1").strip()
            word, *rest = text.split() or [""]
            for place, pattern in enumerate((_WIDTH, _HEIGHT)):
                if match := pattern.match(text):
                    size[place] = int(match[1])
            if word == "format":
                order = _ORDERS[rest[0]]
            elif word == "element":
                elements.append(_Element(rest[0], int(rest[1])))
            elif word == "property":
                elements[-1].properties.append(rest)
            elif word == "end_header":
                break
        else:
            raise ValueError("it has no end")
        if order is None:
            raise ValueError("it says no format")
    except (ValueError, KeyError, IndexError) as error:
        raise CloudError(f"has a damaged PLY header ({error}); export it again") from error
    return _Header(order, size[0], size[1], tuple(elements), stream.tell())


def _read(header: _Header, body: bytes) -> tuple[Mapping[str, npt.NDArray[Any]], npt.NDArray[np.int64] | None]:
    """Return the fields of all points, and the number of each pixel's point, -1 for none; None without a grid."""
    rest: Any = body if header.order else body.split()
    place = 0
    fields: dict[str, npt.NDArray[Any]] = {}
    for element in header.elements:
        if element.name == _GRID:
            if element.count != header.width * header.height:
                raise ValueError(f"its {_GRID} has {element.count} pixels")
            grid, place = _lists(element, rest, place, header.order)
            return fields, grid
        if element.lists:
            break  # faces come after the points
        dtype = np.dtype([(one[1], f"{header.order}{_TYPES[one[0]]}") for one in element.properties])
        names = dtype.names or ()
        step = dtype.itemsize if header.order else len(names)
        end = place + element.count * step
        if len(rest) < end:
            raise ValueError(f"it holds {max(0, len(rest) - place) // max(step, 1)} of {element.count} {element.name}")
        if element.name == "vertex":
            if header.order:
                records = np.frombuffer(rest, dtype, element.count, place)
                fields = {name: records[name] for name in names}
            else:
                table = np.array(rest[place:end], np.float64).reshape(element.count, step)
                fields = {name: table[:, column].astype(dtype[name]) for column, name in enumerate(names)}
        place = end
    return fields, None


def _lists(element: _Element, rest: Any, place: int, order: str) -> tuple[npt.NDArray[np.int64], int]:
    """Return the number in each list, -1 for an empty one, and where what follows begins."""
    (kinds,) = element.properties  # one list a pixel
    counts, numbers = (np.dtype(f"{order or '<'}{_TYPES[kind]}") for kind in kinds[1:3])
    found = np.full(element.count, -1, np.int64)
    for index in range(element.count):
        if order:
            length = int(np.frombuffer(rest, counts, 1, place)[0]) if counts.itemsize > 1 else rest[place]
            place += counts.itemsize
            if length:
                found[index] = int.from_bytes(
                    rest[place : place + numbers.itemsize], "little" if order == "<" else "big"
                )
            place += length * numbers.itemsize
        else:
            length = int(rest[place])
            if length:
                found[index] = int(rest[place + 1])
            place += 1 + length
    if place > len(rest):
        raise ValueError(f"its {_GRID} ends early")
    return found, place
