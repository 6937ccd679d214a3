"""PCD, the Point Cloud Library's format, version 0.7 and before: text, binary, or binary and compressed.

The header says which fields a point has, of which type and size, and width and height of the cloud: a height above 1
is that of an image. Points without a reading are NaN. Colour is one field `rgb` or `rgba`, whose bytes are blue, green,
red and opacity, and which counts as a float for reasons of history
(https://pointclouds.org/documentation/tutorials/pcd_file_format.html).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.media.recordings.clouds.cloud import Cloud, CloudError, channels_of, check_size, damage_told
from crosswire.media.recordings.clouds.lzf import decompress

MAGICS = (b"# .PCD", b"VERSION")
_TYPES = {"F": "f", "I": "i", "U": "u"}
_LONGEST_HEADER = 1 << 16


@dataclass(frozen=True)
class _Header:
    """What the header says.

    Attributes:
        dtype: of a point as it is stored.
        width: of the cloud, points.
        height: of the cloud, points.
        viewpoint: position and quaternion of the sensor.
        data: how points are stored.
        end: where they begin.
    """

    dtype: np.dtype[Any]
    width: int
    height: int
    viewpoint: tuple[float, ...]
    data: str
    end: int


@damage_told
def read_pcd(data: bytes) -> Cloud:
    """Read a cloud.

    Raises:
        CloudError: it is damaged, not organised, or has no colour.
    """
    header = _header(data)
    check_size(header.width, header.height, header.width * header.height)
    fields = _fields(header, data[header.end :])
    shape = header.height, header.width
    points = np.stack([fields[axis].astype(np.float32).reshape(shape) for axis in "xyz"], axis=-1)
    return Cloud(points, _colours(fields).reshape(*shape, 3), header.viewpoint[:3], header.viewpoint[3:])


def _header(data: bytes) -> _Header:
    """Read the header."""
    said: dict[str, list[str]] = {}
    stream = io.BytesIO(data[:_LONGEST_HEADER])
    for line in stream:
        name, *values = line.decode("latin-1").split() or ["#"]
        if not name.startswith("#"):
            said[name.upper()] = values
        if name.upper() == "DATA":
            break
    try:
        names = said["FIELDS"]
        counts = [int(one) for one in said.get("COUNT", ["1"] * len(names))]
        types = [f"<{_TYPES[kind]}{int(size)}" for kind, size in zip(said["TYPE"], said["SIZE"], strict=True)]
        unique = [name if names.index(name) == place else f"{name} {place}" for place, name in enumerate(names)]
        dtype = np.dtype(
            [(name, kind, (count,)) for name, kind, count in zip(unique, types, counts, strict=True) if count > 0]
        )
        viewpoint = tuple(float(one) for one in said.get("VIEWPOINT", ["0", "0", "0", "1", "0", "0", "0"]))
        width, height = int(said["WIDTH"][0]), int(said["HEIGHT"][0])
        header = _Header(dtype, width, height, viewpoint, said["DATA"][0].lower(), stream.tell())
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise CloudError(f"has a damaged PCD header ({error!r}); export it again") from error
    if not {"x", "y", "z"} <= set(names) or len(viewpoint) != 7:
        raise CloudError(f"holds {', '.join(names)}, expected x, y and z among them; export it again")
    return header


def _fields(header: _Header, body: bytes) -> Mapping[str, npt.NDArray[Any]]:
    """Return the fields of all points, [N, count] each."""
    count, dtype = header.width * header.height, header.dtype
    names = dtype.names or ()
    if header.data == "ascii":
        return _text(header, body)
    if header.data == "binary":
        if len(body) < count * dtype.itemsize:
            raise ValueError(f"it holds {len(body) // dtype.itemsize} of {count} points")
        records = np.frombuffer(body, dtype, count)
        return {name: records[name] for name in names}
    if header.data != "binary_compressed":
        raise ValueError(f"its points are stored as {header.data}")
    packed, size = struct.unpack_from("<II", body)
    if size != count * dtype.itemsize or len(body) < 8 + packed:
        raise ValueError(f"it holds {max(0, len(body) - 8)} of {packed} bytes")
    plain, place, found = decompress(body[8 : 8 + packed], size), 0, {}
    for name in names:  # all of one field, then all of the next
        kind = dtype[name]
        found[name] = np.frombuffer(plain, kind.base, count * kind.shape[0], place).reshape(count, *kind.shape)
        place += count * kind.itemsize
    return found


def _text(header: _Header, body: bytes) -> Mapping[str, npt.NDArray[Any]]:
    """Return the fields of points that are written as text."""
    names = header.dtype.names or ()
    columns = sum(header.dtype[name].shape[0] for name in names)
    words = body.split()
    if len(words) != columns * header.width * header.height:
        raise ValueError(f"it holds {len(words) // columns} of {header.width * header.height} points")
    table = np.array(words, np.float64).reshape(-1, columns)  # 53 bits hold every whole number of 32
    found, place = {}, 0
    for name in names:
        kind = header.dtype[name]
        found[name] = table[:, place : place + kind.shape[0]].astype(kind.base)
        place += kind.shape[0]
    return found


def _colours(fields: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Return colour, uint8 [N, 3]."""
    packed = next((fields[name] for name in ("rgb", "rgba") if name in fields), None)
    if packed is None or packed.dtype.itemsize != 4:
        return channels_of(fields)
    raw = np.ascontiguousarray(packed).view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(raw[:, 2::-1])
