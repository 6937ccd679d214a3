"""Dataclasses to and from plain data (parsed JSON or TOML): the one way of every configuration and stored file.

Keys and types are strict: an unknown key is answered with those that exist, a wrong value with what is allowed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from crosswire.contract.errors import ContractError, CrosswireError, UsageError
from crosswire.contract.fields import Choice, Range, check_value, field_types, joined, without_none

#: Version of everything that is written about a network: its `contract.json`, and a model's configuration.
SCHEMA_VERSION = 1

T = TypeVar("T")


def to_plain(config: Any) -> dict[str, Any]:
    """Return a dataclass as plain JSON types: tuples become lists, paths and enumerations what they are written as."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=_written))
    return plain


def from_plain(
    kind: type[T],
    plain: Any,
    where: str = "",
    *,
    error: type[CrosswireError] = UsageError,
    folder: Path | None = None,
) -> T:
    """Build a dataclass from plain data; the inverse of `to_plain`. A field that is left out keeps its default.

    Args:
        kind: the dataclass. Its fields are numbers, texts, paths, enumerations, dataclasses, and tuples, lists and
            dictionaries of these, or None; `crosswire.contract.fields` says what else may be declared of them.
        plain: the parsed JSON or TOML.
        where: its own name, for messages; empty for the outermost.
        error: class of the error.
        folder: what paths are relative to; None leaves them as they are.

    Raises:
        CrosswireError: of the class `error`; a key is unknown or missing, or a value not allowed. The message says
            which, and what is allowed.
    """
    made: T = _Reader(error, folder or Path()).table(kind, plain, where)
    return made


def _written(value: Any) -> Any:
    """Return what a value that JSON does not have is written as."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} cannot be written as JSON")


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads plain data.

    Attributes:
        error: class of the errors.
        folder: what paths are relative to.
    """

    error: type[CrosswireError]
    folder: Path

    def table(self, kind: Any, plain: Any, where: str) -> Any:
        """Return a dataclass with the values of a table."""
        hints = field_types(kind)
        if not isinstance(plain, dict):
            raise self._wrong(where or "the whole", plain, f"allowed is a table with the keys {', '.join(hints)}")
        if unknown := sorted(set(plain) - set(hints), key=str):
            raise self.error(f"unknown key {joined(where, unknown[0])!r}; known here are {', '.join(hints)}")
        free = dataclasses.MISSING
        needed = [one.name for one in dataclasses.fields(kind) if one.default is free and one.default_factory is free]
        if missing := [name for name in needed if name not in plain]:
            raise self.error(f"{where or 'the whole'} lacks the keys: {', '.join(missing)}")
        return kind(**{name: self.value(hints[name], value, joined(where, name)) for name, value in plain.items()})

    def value(self, hint: Any, value: Any, where: str, rule: Range | Choice | None = None) -> Any:
        """Return a value as its field's type; `rule` is what else is declared of it."""
        origin, parts = get_origin(hint), get_args(hint)
        if origin is Annotated:
            made = self.value(parts[0], value, where, parts[1])
            check_value(parts[1], made, where, self.error)
            return made
        if (given := without_none(hint)) is not None:
            return None if value is None else self.value(given, value, where)
        if origin in (tuple, list):
            return self._several(origin, parts, value, where)
        if origin is dict:
            if not isinstance(value, dict):
                raise self._wrong(where, value, "allowed is a table")
            return {key: self.value(parts[1], item, joined(where, key)) for key, item in value.items()}
        if dataclasses.is_dataclass(hint):
            return self.table(hint, value, where)
        return value if hint is Any else self._single(hint, value, where, rule)

    def _several(self, origin: Any, parts: tuple[Any, ...], value: Any, where: str) -> Any:
        """Return a list or a tuple."""
        if not isinstance(value, list):
            raise self._wrong(where, value, "allowed is a list")
        kinds = [parts[0]] * len(value) if origin is list or parts[-1] is Ellipsis else list(parts)
        if len(kinds) != len(value):
            raise self._wrong(where, value, f"allowed is a list of {len(kinds)}")
        each = enumerate(zip(kinds, value, strict=True))
        return origin([self.value(part, item, f"{where}[{index}]") for index, (part, item) in each])

    def _single(self, hint: Any, value: Any, where: str, rule: Range | Choice | None) -> Any:
        """Return an enumeration's member, a number, a text or a path."""
        if issubclass(hint, Enum):
            words = Choice(tuple(str(one.value) for one in hint))
            check_value(words, value, where, self.error)
            return hint(value)
        noun, fits, make = _SINGLE[hint]
        try:
            if fits(value):
                return self.folder / value if hint is Path else make(value)
        except OverflowError:  # a whole number that no float can hold
            pass
        raise self._wrong(where, value, rule.allowed(noun) if rule else f"allowed is {noun}")

    def _wrong(self, where: str, value: Any, allowed: str) -> CrosswireError:
        """Return the error of a value that does not fit."""
        return self.error(f"{where} is {value!r:.80}; {allowed}")


#: Per type its noun, what fits, and how it is made.
_SINGLE: dict[type, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    bool: ("true or false", lambda value: type(value) is bool, bool),
    int: ("a whole number", lambda value: type(value) is int and abs(value) < 1 << 63, int),
    float: ("a number", lambda value: type(value) in (int, float), float),
    str: ("a text", lambda value: isinstance(value, str) and "\0" not in value, str),
    Path: ("a path", lambda value: isinstance(value, str) and bool(value) and "\0" not in value, Path),
}


def check_schema_version(version: object, what: str, remedy: str) -> None:
    """Refuse what was written in another version.

    Args:
        version: as it was read.
        what: what was read, in words that go before "has schema version".
        remedy: what to do about another version.

    Raises:
        ContractError: it is not the version of this release.
    """
    if version != SCHEMA_VERSION:
        raise ContractError(f"{what} has schema version {version}; this release reads {SCHEMA_VERSION}: {remedy}")
