"""Cases of which a few stand for all: those run in `make test`, the others in `make soak`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def standing_for_all(cases: Iterable[str], few: Collection[str]) -> list[Any]:
    """Return cases as parameters of a test, marked `thorough` where they are none of the few.

    Args:
        cases: the names of all.
        few: of those that stand for the others.

    Raises:
        ValueError: one of the few is no case.
    """
    named = list(cases)
    if strangers := set(few) - set(named):
        raise ValueError(f"got {', '.join(sorted(strangers))}, which no case is named")
    return [name if name in few else pytest.param(name, marks=pytest.mark.thorough) for name in named]
