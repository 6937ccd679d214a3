"""Tensor data between JSON lists and raw bytes."""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import Any

import numpy as np

from crosswire.serving.gateway.errors import bad
from crosswire.serving.wire import RawTensor, byte_spans, pack_bytes, unpack_bytes

_NUMPY: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
DTYPES = (*_NUMPY, "BYTES")
_LARGEST_SIZE = 1 << 31


def checked_shape(value: Any, name: str) -> tuple[int, ...]:
    """Return a shape that came as JSON.

    Raises:
        WireError: it is no list of sizes from 1 to 2**31.
    """
    if not isinstance(value, list) or len(value) > 16 or any(type(size) is not int for size in value):
        raise bad(f"input {name!r} has the shape {_short(value)}; send a list of at most 16 whole numbers")
    if any(not 1 <= size <= _LARGEST_SIZE for size in value):
        raise bad(f"input {name!r} has the shape {_short(value)}; allowed sizes are 1 to {_LARGEST_SIZE}")
    return tuple(value)


def from_list(data: Any, name: str, dtype: str, shape: tuple[int, ...]) -> RawTensor:
    """Return a tensor that came as a flat or nested JSON list.

    Raises:
        WireError: the list does not have the shape, or its elements do not have the type or its range.
    """
    if not isinstance(data, list):
        raise bad(f"input {name!r} has data of type {type(data).__name__}; send a list")
    elements = _flatten(data, name, shape)
    if dtype == "BYTES":
        _require(elements, {str}, name, dtype, "strings; send other bytes in the binary form")
        return RawTensor(name, dtype, shape, pack_bytes(item.encode("utf-8", "surrogatepass") for item in elements))
    if dtype == "BOOL":
        _require(elements, {bool}, name, dtype, "true and false")
        return RawTensor(name, dtype, shape, np.array(elements, np.bool_).tobytes())
    if dtype.startswith("FP"):
        _require(elements, {int, float}, name, dtype, "numbers")
        return RawTensor(name, dtype, shape, _float_bytes(elements, name, dtype))
    _require(elements, {int}, name, dtype, "whole numbers")
    limits = np.iinfo(_NUMPY[dtype])
    if elements and (min(elements) < limits.min or max(elements) > limits.max):
        raise bad(
            f"input {name!r} has elements from {_short(min(elements))} to {_short(max(elements))}; "
            f"{dtype} holds {limits.min} to {limits.max}"
        )
    return RawTensor(name, dtype, shape, np.array(elements, _NUMPY[dtype]).tobytes())


def from_binary(data: bytes, name: str, dtype: str, shape: tuple[int, ...]) -> RawTensor:
    """Return a tensor that came in the binary form.

    Raises:
        WireError: the bytes are more or fewer than the shape needs.
    """
    count = math.prod(shape)
    if dtype == "BYTES":
        try:
            found = sum(1 for _ in islice(byte_spans(data), count + 1))
        except ValueError as error:
            raise bad(
                f"input {name!r} is no BYTES tensor: {error}; send every element after its length as uint32"
            ) from None
        if found != count:
            came = f"more than {count}" if found > count else found
            raise bad(f"input {name!r} has {came} elements, its shape {list(shape)} needs {count}")
    elif len(data) != (needed := count * int(np.dtype(_NUMPY[dtype]).itemsize)):
        raise bad(f"input {name!r} has {len(data)} bytes, {dtype} of shape {list(shape)} needs {needed}")
    return RawTensor(name, dtype, shape, data)


def to_list(tensor: RawTensor) -> list[Any]:
    """Return a tensor's elements as a flat list that JSON can hold.

    Raises:
        WireError: it holds bytes or numbers that JSON cannot hold.
    """
    remedy = "ask for it in the binary form ('binary_data': true)"
    if tensor.dtype == "BYTES":
        try:
            return [item.decode("utf-8") for item in unpack_bytes(tensor.data)]
        except UnicodeDecodeError:
            raise bad(f"output {tensor.name!r} holds bytes that are no text; {remedy}") from None
    array = np.frombuffer(tensor.data, _NUMPY[tensor.dtype])
    if tensor.dtype.startswith("FP") and not np.isfinite(array).all():
        raise bad(f"output {tensor.name!r} holds NaN or infinity, which JSON cannot hold; {remedy}")
    return list(array.tolist())


def _flatten(data: list[Any], name: str, shape: tuple[int, ...]) -> list[Any]:
    """Return the elements of a list that is flat or nested like `shape`."""
    sizes, elements = [len(data)], data
    while elements and type(elements[0]) is list:
        if set(map(type, elements)) != {list} or len(lengths := set(map(len, elements))) != 1:
            raise bad(f"input {name!r} has ragged data; send a flat list, or one nested like its shape {list(shape)}")
        sizes.append(lengths.pop())
        elements = list(chain.from_iterable(elements))
    if len(elements) != math.prod(shape) or (len(sizes) > 1 and tuple(sizes) != shape):
        raise bad(
            f"input {name!r} has data of shape {sizes}, its shape {list(shape)} needs {math.prod(shape)} elements"
        )
    return elements


def _require(elements: list[Any], allowed: set[type], name: str, dtype: str, words: str) -> None:
    """Refuse elements of other types."""
    if other := set(map(type, elements)) - allowed:
        came = ", ".join(sorted("null" if kind is type(None) else kind.__name__ for kind in other))
        raise bad(f"input {name!r} is {dtype} but its data has elements of type {came}; allowed are {words}")


def _float_bytes(elements: list[Any], name: str, dtype: str) -> bytes:
    """Return numbers as raw floats, refusing those that the type cannot hold."""
    try:
        with np.errstate(over="ignore"):
            array = np.array(elements, np.float64).astype(_NUMPY[dtype])
    except OverflowError:
        array = np.array([np.inf])
    if not np.isfinite(array).all():
        raise bad(f"input {name!r} has numbers that {dtype} cannot hold")
    return bytes(array.tobytes())


def _short(value: Any) -> str:
    """Return a value's text, shortened; a number of thousands of digits has none."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 80 else text[:79] + "…"
