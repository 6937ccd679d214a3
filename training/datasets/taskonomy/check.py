"""Looking through a copy of Taskonomy: every domain that has a folder, every view that is listed or has an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from crosswire.training.datasets.files.images import depth_problem, orientation_problem, size_problem
from crosswire.training.datasets.files.lists import read_lines, shared_lines
from crosswire.training.datasets.files.problems import DataError, Problem, Survey, missing_file
from crosswire.training.datasets.taskonomy.images import (
    STORED,
    UNITS_PER_METRE,
    TaskonomyImages,
    lists_of,
    place,
    read_image,
    views_in,
)
from crosswire.training.tasks.translation.domains import domain

TITLE = "Taskonomy, a folder per domain"
#: Metres between which the median depth of a view lies.
PLAUSIBLE = (0.1, 50.0)
#: What Taskonomy stores where nothing was hit.
NOTHING = 65535 / UNITS_PER_METRE


class TaskonomyViews(TaskonomyImages):
    """Views to be inspected one by one; `names` are the domains that every view should have an image of."""

    classes: tuple[str, ...] = ()

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield everything that is wrong with one view, each file on its own."""
        shapes = []
        for name in self.names:
            path = place(self.root, self.views[index], name)
            if not path.is_file():
                yield missing_file(path)
                continue
            try:
                picture = read_image(path, name)
            except DataError as error:
                yield error.problem
                continue
            shapes.append((str(path), picture.shape))
            if domain(name).is_depth:
                metres = picture.astype(np.float32)
                metres[metres >= NOTHING] = 0
                if problem := depth_problem(metres, str(path), PLAUSIBLE):
                    yield problem
        if shapes and (problem := orientation_problem([Path(path) for path, _ in shapes]) or size_problem(shapes)):
            yield problem


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return any(next(views_in(path, name), None) is not None for name in present(path))


def present(root: Path) -> tuple[str, ...]:
    """Return the domains that a copy has a folder of."""
    return tuple(name for name, stored in STORED.items() if (root / stored.folder).is_dir())


def survey(root: Path, splits: Path) -> Survey:
    """Lay open every view.

    Args:
        root: the folder with a folder per domain.
        splits: the folder of the list files.

    Raises:
        DataError: there is no domain, or no view.
    """
    names, problems = present(root), list[Problem]()
    if not names:
        folders = ", ".join(stored.folder for stored in STORED.values())
        raise DataError(Problem(str(root), "has no folder of a domain", f"the folders are {folders}"))
    if lists := lists_of(splits):
        found = {}
        for path in lists:
            found[path], wrong = read_lines(path)
            problems += wrong
        problems += shared_lines(found)
        views = list(dict.fromkeys(view for lines in found.values() for view in lines))
    else:
        views = sorted({view for name in names for view in views_in(root, name)})
    if not views and not problems:
        raise DataError(Problem(str(root), "holds no view", "docs/guides/own-data.md shows the layout"))
    return Survey(tuple(problems), TaskonomyViews(root, views, names))
