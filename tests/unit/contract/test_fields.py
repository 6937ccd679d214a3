"""Dataclasses from plain data: strict keys and types, and what is declared of a field, each refused with its cure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest

from crosswire.contract.errors import CrosswireError, UsageError
from crosswire.contract.fields import Choice, PositiveInt, Probability, Range, check_fields
from crosswire.contract.plain import from_plain, to_plain


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    """A part."""

    size: PositiveInt = 1
    sides: tuple[PositiveInt, PositiveInt] = (2, 3)
    share: Probability | None = None


@dataclass(frozen=True)
class Whole:
    """Every type that is read."""

    name: str
    inner: Inner = field(default_factory=Inner)
    word: Annotated[str, Choice(("a", "b"))] = "a"
    rate: Annotated[float, Range(above=0, below=2)] = 1.0
    flag: bool = False
    many: tuple[Inner, ...] = ()
    texts: list[str] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    colour: Colour = Colour.RED
    path: Path | None = None
    anything: Any = None


FULL = Whole(
    "x",
    Inner(4, (5, 6), 0.5),
    "b",
    0.5,
    True,
    (Inner(), Inner(2)),
    ["t"],
    {"k": 1.0},
    Colour.BLUE,
    Path("p"),
    [{"z": 1}],
)


@pytest.mark.parametrize("whole", [Whole("x"), FULL])
def test_what_is_written_is_read_again(whole: Whole) -> None:
    assert from_plain(Whole, to_plain(whole)) == whole


def test_a_path_is_relative_to_the_folder_and_a_whole_number_is_a_number() -> None:
    read = from_plain(Whole, {"name": "x", "path": "p", "rate": 1, "costs": {"k": 2}}, folder=Path("/f"))
    assert read.path == Path("/f/p") and isinstance(read.rate, float) and isinstance(read.costs["k"], float)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "top lacks the keys: name"),
        (7, "top is 7; allowed is a table with the keys name, inner, word"),
        ({"name": "x", "nam": 1}, "unknown key 'top.nam'; known here are name, inner"),
        ({"name": "x", "inner": {"sise": 1}}, "unknown key 'top.inner.sise'; known here are size, sides, share"),
        ({"name": 7}, "top.name is 7; allowed is a text"),
        ({"name": "a\0b"}, r"top.name is 'a\\x00b'; allowed is a text"),
        ({"name": "x", "inner": {"size": "1"}}, "top.inner.size is '1'; allowed is a whole number, 1 or more"),
        ({"name": "x", "inner": {"size": True}}, "top.inner.size is True; allowed is a whole number, 1 or more"),
        ({"name": "x", "inner": {"size": 1.0}}, "top.inner.size is 1.0; allowed is a whole number, 1 or more"),
        ({"name": "x", "inner": {"size": 1 << 63}}, "allowed is a whole number, 1 or more"),
        ({"name": "x", "inner": {"size": 0}}, "top.inner.size is 0; allowed is 1 or more"),
        ({"name": "x", "inner": {"sides": [1]}}, r"top.inner.sides is \[1\]; allowed is a list of 2"),
        ({"name": "x", "inner": {"sides": [1, 0]}}, r"top.inner.sides\[1\] is 0; allowed is 1 or more"),
        ({"name": "x", "inner": {"share": 2}}, "top.inner.share is 2.0; allowed is a probability, 0 to 1"),
        ({"name": "x", "word": "c"}, "top.word is 'c'; allowed are a, b"),
        ({"name": "x", "word": 1}, "top.word is 1; allowed are a, b"),
        ({"name": "x", "rate": 10**400}, "allowed is a number, more than 0, less than 2"),
        ({"name": "x", "rate": float("nan")}, "top.rate is nan; allowed is more than 0, less than 2"),
        ({"name": "x", "rate": 2}, "top.rate is 2.0; allowed is more than 0, less than 2"),
        ({"name": "x", "flag": 1}, "top.flag is 1; allowed is true or false"),
        ({"name": "x", "many": [{"size": 0}]}, r"top.many\[0\].size is 0; allowed is 1 or more"),
        ({"name": "x", "texts": "t"}, "top.texts is 't'; allowed is a list"),
        ({"name": "x", "costs": []}, r"top.costs is \[\]; allowed is a table"),
        ({"name": "x", "costs": {"k": "1"}}, "top.costs.k is '1'; allowed is a number"),
        ({"name": "x", "colour": "green"}, "top.colour is 'green'; allowed are red, blue"),
        ({"name": "x", "path": ""}, "top.path is ''; allowed is a path"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_with_what_is_allowed(plain: Any, message: str) -> None:
    class OwnError(CrosswireError):
        """The error of a reader."""

    with pytest.raises(OwnError, match=message):
        from_plain(Whole, plain, "top", error=OwnError)


def test_a_dataclass_that_was_made_in_python_is_held_against_its_declarations_to_the_innermost() -> None:
    check_fields(FULL, "", UsageError)
    with pytest.raises(UsageError, match=r"^many\[1\].size is 0; allowed is 1 or more"):
        check_fields(Whole("x", many=(Inner(), Inner(0))), "", UsageError)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Range(least=1), "1 or more"),
        (Range(most=5), "at most 5"),
        (Range(above=0), "more than 0"),
        (Range(below=9), "less than 9"),
        (Range(least=1, most=5), "1 to 5"),
        (Range(above=0, most=5), "more than 0, at most 5"),
    ],
)
def test_bounds_are_said_in_words(rule: Range, text: str) -> None:
    assert rule.text == text and rule.holds(3) and not rule.holds(float("inf")) and not rule.holds(float("nan"))
