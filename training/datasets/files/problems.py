"""What can be wrong with a file of a data set, said so that it can be mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from crosswire.training.config import ConfigError


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: which file, or which part of one.
        what: is wrong with it.
        cure: what to do about it.
        warning: whether training goes on all the same, and may be right to.
    """

    file: str
    what: str
    cure: str
    warning: bool = False

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{'warning: ' if self.warning else ''}{self.file}: {self.what}; {self.cure}"


class DataError(ConfigError):
    """A file of a data set that cannot be used.

    Args:
        problem: what is wrong and what to do.
    """

    def __init__(self, problem: Problem | str) -> None:
        super().__init__(str(problem))
        self.problem = problem if isinstance(problem, Problem) else Problem("", problem, "")


def missing_file(file: object) -> Problem:
    """Return the problem of a file that does not exist."""
    return Problem(str(file), "is missing", "put it there, or take the frame out of the lists")


class Inspectable(Protocol):
    """Frames that can say what is wrong with them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""

    def __len__(self) -> int:
        """Number of frames."""

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield everything that is wrong with one frame."""


@dataclass(frozen=True)
class Survey:
    """A whole data set, all splits, laid open for a check.

    Attributes:
        problems: what is wrong with lists, manifests and the like.
        frames: every frame, to be inspected one by one.
        whole: returns what is wrong with frames taken together.
    """

    problems: tuple[Problem, ...]
    frames: Inspectable
    whole: Callable[[], Iterable[Problem]] = tuple


def refuse(problems: Sequence[Problem]) -> None:
    """Raise the first of some problems, saying how many more there are; do nothing where there is none.

    Raises:
        DataError: there is one.
    """
    if not problems:
        return
    first, more = problems[0], len(problems) - 1
    if more:
        first = Problem(first.file, first.what, f"{first.cure} ({more} more; crosswire check-data lists all)")
    raise DataError(first)
