"""Frames of which every image is a file of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.files.images import (
    Depth,
    LabelCode,
    Labels,
    PlainDepth,
    depth_problem,
    orientation_problem,
    read_colour,
    read_depth,
    read_labels,
    size_problem,
)
from crosswire.training.datasets.files.label_colours import ColourCode
from crosswire.training.datasets.files.problems import DataError, Problem, missing_file, refuse
from crosswire.training.datasets.frames import IGNORE, Frame

Picture = TypeVar("Picture", NDArray[np.uint8], NDArray[np.float32])
Read = TypeVar("Read")


@dataclass(frozen=True)
class FrameEntry:
    """Where the images of one frame lie.

    Attributes:
        rgb: the colour image.
        depth: the depth image.
        labels: the class indices.
    """

    rgb: Path
    depth: Path
    labels: Path

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """All of them."""
        return self.rgb, self.depth, self.labels


@dataclass(frozen=True)
class Format:
    """How the images of a data set are stored.

    Attributes:
        classes: class names.
        palette: one RGB colour per class.
        depth: turns stored depth, [H, W], uint16 or floats, into metres; the second argument names the file in errors.
        labels: how class indices are stored.
        plausible: range in which the median depth of a frame lies, metres; a check, not a limit. None for geometry of
            which nobody knows what is plausible.
        label_values: value of every class in served label images, where that is not its index; empty where it is.
        crop_to_labels: whether rgb and depth have a rim around the labelled area, which is cut off.
    """

    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    depth: Callable[[NDArray[Any], str], Depth]
    labels: LabelCode | ColourCode
    plausible: tuple[float, float] | None = (0.1, 20.0)
    label_values: tuple[int, ...] = ()
    crop_to_labels: bool = False

    @property
    def units_per_metre(self) -> float | None:
        """Stored values of depth per metre, or None where it is stored in another way."""
        return self.depth.units_per_metre if isinstance(self.depth, PlainDepth) else None


class FileFrames:
    """Frames read from files each time they are asked for.

    Args:
        entries: where they lie.
        form: how they are stored.
    """

    def __init__(self, entries: Sequence[FrameEntry], form: Format) -> None:
        self.classes = form.classes
        self.palette = form.palette
        self.entries = entries
        self.form = form

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.entries)

    def __getitem__(self, index: int) -> Frame:
        """Read one frame.

        Raises:
            DataError: a file that cannot be used.
        """
        entry = self.entries[index]
        if problem := orientation_problem(entry.files):
            raise DataError(problem)
        rgb, depth, labels = read_colour(entry.rgb), self.depth(index), self.labels(index)
        rgb, depth = self._cut(rgb, labels), self._cut(depth, labels)
        if problem := self._sizes(index, rgb, depth, labels):
            raise DataError(problem)
        return Frame({"rgb": rgb, "depth": depth}, labels)

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield everything that is wrong with one frame, each file on its own."""
        entry, form = self.entries[index], self.form
        rgb = _attempt(lambda: read_colour(entry.rgb))
        depth = _attempt(lambda: self.depth(index))
        labels = _attempt(lambda: self.labels(index))
        yield from (found for found in (rgb, depth, labels) if isinstance(found, Problem))
        if problem := orientation_problem(entry.files):
            yield problem
            return
        if isinstance(depth, Problem):
            return
        if problem := depth_problem(depth, str(entry.depth), form.plausible, form.units_per_metre):
            yield problem
        if isinstance(rgb, Problem) or isinstance(labels, Problem):
            return
        if problem := self._sizes(index, self._cut(rgb, labels), self._cut(depth, labels), labels):
            yield problem

    def _cut(self, picture: Picture, labels: Labels) -> Picture:
        """Cut off the rim that an image has around the labelled area; an odd rim is wider below and on the right."""
        if not self.form.crop_to_labels:
            return picture
        (height, width), (rows, columns) = labels.shape, picture.shape[:2]
        top, left = max(0, rows - height) // 2, max(0, columns - width) // 2
        return picture[top : top + height, left : left + width]

    def labels(self, index: int) -> Labels:
        """Read the class indices of a frame.

        Raises:
            DataError: a file that cannot be used.
        """
        return read_labels(self.entries[index].labels, self.form.labels)

    def depth(self, index: int) -> Depth:
        """Read the depth of a frame, float32 [H, W] in metres or the unit of other geometry, 0 = no reading.

        Raises:
            DataError: a file that cannot be used.
        """
        return read_depth(self.entries[index].depth, self.form.depth)

    def _sizes(
        self, index: int, rgb: NDArray[np.generic], depth: NDArray[np.generic], labels: NDArray[np.generic]
    ) -> Problem | None:
        """Return what is wrong with the sizes of a frame's images, or None."""
        entry = self.entries[index]
        return size_problem(
            ((str(entry.rgb), rgb.shape), (str(entry.depth), depth.shape), (str(entry.labels), labels.shape))
        )


def _attempt(read: Callable[[], Read]) -> Read | Problem:
    """Return what is read, or what is wrong with it."""
    try:
        return read()
    except DataError as error:
        return error.problem


def missing(entries: Sequence[FrameEntry]) -> list[Problem]:
    """Return the files that do not exist."""
    files = [file for entry in entries for file in entry.files]
    return [missing_file(file) for file in files if not file.is_file()]


def open_files(entries: Sequence[FrameEntry], form: Format, problems: Sequence[Problem] = ()) -> FileFrames:
    """Return frames of which every file exists.

    Raises:
        DataError: a file does not exist, or there are problems already.
    """
    refuse([*problems, *missing(entries)])
    return FileFrames(entries, form)


def single_class(frames: FileFrames, place: str) -> list[Problem]:
    """Return the problem of labels that hold one class of several and unlabelled pixels, which teach nothing.

    A binary mask saved as 0 and 255 is the usual one: its 255 are taken for unlabelled pixels. It is looked for until
    two classes were seen, which is in the first file as a rule; files that cannot be read are named elsewhere.

    Args:
        frames: all of a data set, or those to train on.
        place: what to call their labels.
    """
    seen: set[int] = set()
    for index in range(len(frames)):
        with contextlib.suppress(DataError):
            seen |= set(np.unique(frames.labels(index)).tolist())
        if len(seen - {IGNORE}) > 1:
            return []
    if IGNORE not in seen or len(frames.classes) < 2:
        return []
    names = ", ".join(frames.classes[one] for one in seen - {IGNORE}) or "no class"
    cure = 'if they are masks of other values, list those: "label_values": [0, 255] in manifest.json'
    what = f"hold {names} and {frames.form.labels.ignore} for unlabelled alone, of {len(frames.classes)} classes"
    return [Problem(place, what, cure)]
