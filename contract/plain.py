"""From parsed JSON to annotated dataclasses, refusing anything that does not fit."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from crosswire.contract.errors import ContractError


def from_plain(kind: Any, value: Any, where: str) -> Any:
    """Build a value of an annotated type from parsed JSON, refusing anything that does not fit."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_from_plain(kind, value, where)
    if origin is types.UnionType:
        return None if value is None else from_plain(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ContractError(f"{where} must be a list, not {type(value).__name__}")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise ContractError(f"{where} must have {len(kinds)} entries, not {len(value)}")
        return tuple(from_plain(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict:
        if not isinstance(value, dict):
            raise ContractError(f"{where} must be an object, not {type(value).__name__}")
        return {key: from_plain(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ContractError(f"{where} must be {kind.__name__}, not {value!r}")
    return value


def _dataclass_from_plain(kind: Any, value: Any, where: str) -> Any:
    """Build a dataclass from a JSON object with exactly its fields."""
    if not isinstance(value, dict):
        raise ContractError(f"{where} must be an object, not {type(value).__name__}")
    hints = typing.get_type_hints(kind)
    free = dataclasses.MISSING
    required = {f.name for f in dataclasses.fields(kind) if f.default is free and f.default_factory is free}
    if unknown := sorted(set(value) - set(hints)):
        raise ContractError(f"{where} has unknown fields: {', '.join(unknown)}")
    if missing := sorted(required - set(value)):
        raise ContractError(f"{where} lacks the fields: {', '.join(missing)}")
    return kind(**{name: from_plain(hints[name], item, f"{where}.{name}") for name, item in value.items()})
