"""Looking through a whole data set for files that training could not use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from training.config import ConfigError
from training.datasets.layouts import LAYOUTS
from training.datasets.problems import Problem, Survey


def recognised(path: Path) -> str:
    """Return the name of the layout that a path looks like.

    Raises:
        ConfigError: it does not exist, or looks like none.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist")
    for name, layout in LAYOUTS.items():
        if layout.recognise(path):
            return name
    raise ConfigError(
        f"{path} looks like none of {', '.join(LAYOUTS)}; say which it is with --layout, "
        "or write manifest.json for frames of your own (docs/guides/own-data.md)"
    )


def problems(survey: Survey, *, progress: bool = True) -> Iterator[Problem]:
    """Yield everything that is wrong with a data set, lists first, then frame by frame, under a progress bar."""
    yield from survey.problems
    for index in tqdm(range(len(survey.frames)), desc="checking frames", unit="frame", disable=not progress):
        yield from survey.frames.problems(index)
