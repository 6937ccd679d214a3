"""How much memory a protobuf message takes once it is decoded: two bytes may become a hundred."""

from __future__ import annotations

from functools import cache
from typing import Any, Union

from google.protobuf.descriptor import Descriptor, FieldDescriptor  # type: ignore[import-untyped]

from crosswire.serving.gateway.errors import WireError, bad

_MOST_FIELDS = 20_000
_FIELD_BYTES, _MESSAGE_BYTES = 32, 128
_FIXED = {1: 8, 5: 4}
_VARINT, _LENGTH = 0, 2
_Table = dict[int, Union[int, "_Table"]]  # by a field's number: bytes of memory per byte, or the fields of a message
_PACKED = {
    FieldDescriptor.TYPE_INT64: 8,
    FieldDescriptor.TYPE_UINT64: 8,
    FieldDescriptor.TYPE_INT32: 4,
    FieldDescriptor.TYPE_UINT32: 4,
}


def decoded_size(data: bytes, kind: Any, most: int) -> int:
    """Return about how many bytes a message takes decoded.

    Args:
        data: the message as it came.
        kind: its class, for example `ModelInferRequest`.
        most: how many are allowed.

    Raises:
        WireError: 400, it is torn, or would take more, or has more parts than any honest request.
    """
    return _Walk(kind, data, most).size


@cache
def _table(descriptor: Descriptor) -> _Table:
    """Return what becomes of the fields of a message."""
    return {
        field.number: _PACKED.get(field.type, 1) if field.message_type is None else _table(field.message_type)
        for field in descriptor.fields
    }


class _Walk:
    """One look at every tag of a message, which ends as soon as something is too much."""

    def __init__(self, kind: Any, data: bytes, most: int) -> None:
        """Walk through the whole message."""
        self._kind, self._data, self._most = kind, data, most
        self._fields, self.size = 0, 0
        self._message(0, len(data), _table(kind.DESCRIPTOR))

    def _message(self, position: int, end: int, known: _Table) -> None:
        """Walk through the fields of one message."""
        self._count(_MESSAGE_BYTES)
        while position < end:
            tag, position = self._varint(position, end)
            wire = tag & 7
            self._fields += 1
            if wire == _VARINT:
                _, position = self._varint(position, end)
                self._count(_FIELD_BYTES)
            elif wire == _LENGTH:
                length, position = self._varint(position, end)
                if length > end - position:
                    raise self._torn()
                field = known.get(tag >> 3, 1)
                if isinstance(field, dict):
                    self._message(position, position + length, field)
                else:
                    self._count(_FIELD_BYTES + length * field)
                position += length
            elif wire in _FIXED:
                position += _FIXED[wire]
                self._count(_FIELD_BYTES)
            else:
                raise self._torn()
        if position > end:
            raise self._torn()

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """Return a number and the position behind it."""
        if position < end and (byte := self._data[position]) < 128:
            return byte, position + 1
        value, shift = 0, 0
        while position < end and shift < 70:
            byte = self._data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position
            shift += 7
        raise self._torn()

    def _count(self, count: int) -> None:
        """Add bytes, unless that is too much."""
        self.size += count
        if self.size > self._most:
            raise bad(
                f"{len(self._data)} bytes become a {self._kind.__name__} of more than {self._most} bytes, which is the "
                "limit; send smaller batches, and data as raw_input_contents"
            )
        if self._fields > _MOST_FIELDS:
            raise bad(f"the {self._kind.__name__} has more than {_MOST_FIELDS} fields; send data as raw_input_contents")

    def _torn(self) -> WireError:
        """Return the error of a message that ends too early or has tags that there are not."""
        return bad(f"{len(self._data)} bytes are no {self._kind.__name__}; send the whole message")
