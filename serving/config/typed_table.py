"""A parsed TOML table becomes a frozen dataclass: every key known, every value of its field's type."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")
_LARGEST = 1 << 53


def typed(kind: type[Kind], table: dict[str, Any], folder: Path, where: str = "") -> Kind:
    """Return a dataclass filled from a table; a field that the table leaves out keeps its default.

    Args:
        kind: the dataclass; its fields are numbers, texts, paths, enumerations, tuples of these or dataclasses.
        table: the parsed table.
        folder: what paths are relative to.
        where: the table's own name with a dot, for messages.

    Raises:
        ValueError: an unknown key, or a value of another type or below zero; says which and what is allowed.
    """
    hints = get_type_hints(kind)
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"unknown key {where + unknown[0]!r}; known here are {', '.join(known)}")
    values = {key: _value(hints[key], value, folder, where + key) for key, value in table.items()}
    return kind(**values)


def _value(hint: Any, value: Any, folder: Path, where: str) -> Any:
    """Return a value as its field's type."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (hint,) = (part for part in parts if part is not type(None))
        return _value(hint, value, folder, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, value, "a list")
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
        if len(kinds) != len(value):
            raise _wrong(where, value, f"a list of {len(kinds)}")
        return tuple(_value(part, item, folder, where) for part, item in zip(kinds, value, strict=True))
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise _wrong(where, value, f"a table: write it below [{where}]")
        return typed(hint, value, folder, f"{where}.")  # type: ignore[arg-type]
    if issubclass(hint, Enum):
        allowed = [one.value for one in hint]
        if value not in allowed:
            raise _wrong(where, value, " or ".join(map(repr, allowed)))
        return hint(value)
    return _plain(hint, value, folder, where)


def _plain(hint: type, value: Any, folder: Path, where: str) -> Any:
    """Return a number, a text or a path."""
    kinds: dict[type, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
        bool: ("true or false", lambda one: isinstance(one, bool), bool),
        int: (f"a whole number from 0 to {_LARGEST}", lambda one: type(one) is int and 0 <= one <= _LARGEST, int),
        float: (
            f"a number from 0 to {_LARGEST}",
            lambda one: type(one) in (int, float) and 0 <= one <= _LARGEST,
            float,
        ),
        str: ("a text", lambda one: isinstance(one, str) and "\0" not in one, str),
        Path: ("a path", lambda one: isinstance(one, str) and bool(one) and "\0" not in one, lambda one: folder / one),
    }
    allowed, fits, make = kinds[hint]
    if not fits(value):
        raise _wrong(where, value, allowed)
    return make(value)


def _wrong(where: str, value: Any, allowed: str) -> ValueError:
    """Return the error of a value that does not fit."""
    return ValueError(f"{where} is {value!r:.80}; it must be {allowed}")
