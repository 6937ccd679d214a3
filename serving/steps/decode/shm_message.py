"""Values between two processes: a short header that travels through a socket, bulk data that stays in shared memory.

No pickles: a decoder that was taken over by the file it decodes must not be able to run code where its answer is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Value = bytes | npt.NDArray[Any] | str | float | int | bool | None | list[Any] | dict[str, Any]
_ALIGNMENT = 64
_KINDS = frozenset("biuf")


class MessageError(ValueError):
    """Values do not fit into the shared memory, or a header is none."""


def pack(values: Sequence[Value], arena: memoryview, start: int = 0) -> tuple[bytes, int]:
    """Write the bulk of values into shared memory.

    Args:
        values: bytes, arrays of numbers, and whatever JSON holds.
        arena: the shared memory.
        start: first byte that may be written.

    Returns:
        the header for `unpack`, and the first byte after what was written.

    Raises:
        MessageError: the values need more room than there is.
    """
    items: list[Any] = []
    for value in values:
        if not isinstance(value, bytes | np.ndarray):
            items.append({"json": value})
            continue
        start = -(-start // _ALIGNMENT) * _ALIGNMENT
        size = len(value) if isinstance(value, bytes) else value.nbytes
        if start + size > len(arena):
            raise MessageError(f"{start + size} bytes are needed, {len(arena)} are there")
        if isinstance(value, bytes):
            arena[start : start + size] = value
            items.append({"at": start, "size": size})
        else:
            np.copyto(_array(arena, start, value.dtype, value.shape), value)
            items.append({"at": start, "dtype": value.dtype.str, "shape": value.shape})
        start += size
    return json.dumps(items).encode(), start


def unpack(header: bytes, arena: memoryview) -> list[Any]:
    """Return the values behind a header from `pack`; its arrays are views on the shared memory.

    Raises:
        MessageError: it is no such header.
    """
    try:
        return [_value(item, arena) for item in json.loads(header)]
    except (ValueError, TypeError, KeyError) as error:
        raise MessageError(f"no header of a parcel: {error}") from None


def _value(item: dict[str, Any], arena: memoryview) -> Any:
    """Return one value."""
    if "json" in item:
        return item["json"]
    start = int(item["at"])
    if "size" in item:
        size = int(item["size"])
        if not 0 <= start <= start + size <= len(arena):
            raise ValueError("it points outside of the shared memory")
        return bytes(arena[start : start + size])
    dtype = np.dtype(item["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {dtype}")
    return _array(arena, start, dtype, tuple(int(size) for size in item["shape"]))


def _array(arena: memoryview, start: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return an array that lies in the shared memory; numpy refuses one that would reach past its end."""
    return np.ndarray(shape, dtype, buffer=arena, offset=start)
