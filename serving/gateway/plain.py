"""Protobuf messages as plain JSON values, numbers as numbers (protobuf's own JSON writes 64-bit ones as strings)."""

from __future__ import annotations

from typing import Any


def to_plain(message: Any) -> dict[str, Any]:
    """Return every field of a protobuf message that is set or cannot be unset, under its protobuf name."""
    plain = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        plain[field.name] = _value(field, getattr(message, field.name))
    return plain


def _value(field: Any, value: Any) -> Any:
    """Return one field's value."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        inner = entry.fields_by_name["value"]
        return {str(key): _single(inner, value[key]) for key in value}
    return [_single(field, item) for item in value] if field.is_repeated else _single(field, value)


def _single(field: Any, value: Any) -> Any:
    """Return one element of a field."""
    if field.message_type is not None:
        return to_plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value.decode("latin-1") if isinstance(value, bytes) else value
