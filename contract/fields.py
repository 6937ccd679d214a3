"""What a field of a configuration may hold beside its type, declared where the field is and checked in one place.

Example:
    >>> @dataclass(frozen=True)
    ... class Crop:
    ...     height: PositiveInt = 128
    ...     corner: Annotated[str, Choice(("top", "bottom"))] = "top"
    >>> check_fields(Crop(height=0), "data", UsageError)
    UsageError: data.height is 0; allowed is 1 or more
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from crosswire.contract.errors import CrosswireError

_INFINITY = float("inf")


@dataclass(frozen=True)
class Range:
    """Finite numbers between two bounds.

    Attributes:
        least: smallest number that is allowed.
        above: number that all allowed ones are larger than.
        most: largest number that is allowed.
        below: number that all allowed ones are smaller than.
        noun: what the number is, for messages; empty for just a number.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    noun: str = ""

    def holds(self, value: float) -> bool:
        """Return whether a number is within the bounds; NaN and infinity never are."""
        return (
            abs(value) < _INFINITY
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    @property
    def text(self) -> str:
        """The bounds in words."""
        if self.least is not None and self.most is not None:
            return f"{self.least} to {self.most}"
        lower = f"{self.least} or more" if self.least is not None else f"more than {self.above}"
        lower = "" if self.least is None and self.above is None else lower
        upper = f"at most {self.most}" if self.most is not None else f"less than {self.below}"
        upper = "" if self.most is None and self.below is None else upper
        return ", ".join(part for part in (lower, upper) if part)

    def allowed(self, noun: str = "") -> str:
        """Return the end of a message about a value that does not fit.

        Args:
            noun: what is bounded, for a value that is no number at all.
        """
        return f"allowed is {', '.join(part for part in (self.noun or noun, self.text) if part)}"


@dataclass(frozen=True)
class Choice:
    """Words from a list.

    Attributes:
        words: those that are allowed.
    """

    words: tuple[str, ...]

    def holds(self, value: object) -> bool:
        """Return whether a word is on the list."""
        return value in self.words

    def allowed(self, noun: str = "") -> str:
        """Return the end of a message about a value that does not fit; the list says more than its noun."""
        return f"allowed are {', '.join(self.words)}"


PositiveInt = Annotated[int, Range(least=1)]
NonNegativeInt = Annotated[int, Range(least=0)]
PositiveFloat = Annotated[float, Range(above=0)]
NonNegativeFloat = Annotated[float, Range(least=0)]
Probability = Annotated[float, Range(least=0, most=1, noun="a probability")]
ShareBelowOne = Annotated[float, Range(least=0, below=1, noun="a share")]


def check_fields(config: Any, where: str, error: type[CrosswireError]) -> None:
    """Hold every field of a dataclass, and of those in it, against what is declared of it.

    Args:
        config: the dataclass.
        where: its own name, for messages; empty for the outermost.
        error: class of the error.

    Raises:
        CrosswireError: of the class `error`; a value is not allowed. The message names the field and what is.
    """
    kind: Any = type(config)
    for name, hint in field_types(kind).items():
        _check(hint, getattr(config, name), joined(where, name), error)


def check_value(rule: Range | Choice, value: Any, where: str, error: type[CrosswireError]) -> None:
    """Raise `error` with the name of a field whose value a rule does not allow."""
    if not rule.holds(value):
        raise error(f"{where} is {value!r:.80}; {rule.allowed()}")


@cache
def field_types(kind: Any) -> Mapping[str, Any]:
    """Return the type of every field of a dataclass by its name, with what is declared of it."""
    hints = get_type_hints(kind, include_extras=True)
    return {one.name: hints[one.name] for one in dataclasses.fields(kind)}


def without_none(hint: Any) -> Any:
    """Return the type that an optional field has where it is given; None for a type that is not optional."""
    if get_origin(hint) not in (Union, types.UnionType):
        return None
    return next(part for part in get_args(hint) if part is not type(None))


def joined(where: str, name: str) -> str:
    """Return the dotted name of a field."""
    return f"{where}.{name}" if where else name


def _check(hint: Any, value: Any, where: str, error: type[CrosswireError]) -> None:
    """Hold one value against its type's declarations."""
    if value is None:
        return
    if (given := without_none(hint)) is not None:
        _check(given, value, where, error)
    elif get_origin(hint) is Annotated:
        check_value(hint.__metadata__[0], value, where, error)
    elif get_origin(hint) is tuple:
        parts = get_args(hint)
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        for index, (part, item) in enumerate(zip(kinds, value, strict=False)):
            _check(part, item, f"{where}[{index}]", error)
    elif dataclasses.is_dataclass(value):
        check_fields(value, where, error)
