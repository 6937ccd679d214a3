"""Where frames come from: a recording in TUM's layout, or a folder.

TUM's layout (https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats) is a folder with `rgb.txt` and
`depth.txt`, whose lines are `TIMESTAMP FILE`, seconds and a path. Camera and depth sensor tick on their own, so frames
are associated by time stamp; depth counts 5000 units per metre. The other layout is a folder with `rgb/` and `depth/`,
equal stems.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.batch.items import find_items
from clients.errors import InputError
from clients.pipelines import Pipeline

TUM_UNITS_PER_METRE = 5000.0
LONGEST_GAP_S = 0.02
FOLDER_RATE = 30.0
_LISTS = ("rgb.txt", "depth.txt")


@dataclass(frozen=True)
class Frame:
    """One pair of pictures.

    Attributes:
        index: its place in the sequence, from 0.
        name: its name: the time stamp as it is written, or the stem.
        time_s: when it was taken, seconds after the first.
        rgb: colour file.
        depth: depth file.
    """

    index: int
    name: str
    time_s: float
    rgb: Path
    depth: Path


@dataclass(frozen=True)
class Recording:
    """A recording.

    Attributes:
        frames: in the order of time.
        unmatched: colour pictures without a depth picture that is close enough in time.
        units_per_metre: what one metre counts in its depth files, or None if the layout does not say.
    """

    frames: tuple[Frame, ...]
    unmatched: int
    units_per_metre: float | None

    @property
    def rate(self) -> float:
        """Frames per second: one over the median time between frames."""
        gaps = [after.time_s - before.time_s for before, after in zip(self.frames, self.frames[1:], strict=False)]
        middle = statistics.median(gaps) if gaps else 0.0
        return 1 / middle if middle > 0 else FOLDER_RATE


def read_sequence(folder: Path, pipeline: Pipeline, longest_gap_s: float = LONGEST_GAP_S) -> Recording:
    """Find the frames of a folder.

    Args:
        folder: in TUM's layout, or with `rgb/` and `depth/`.
        pipeline: whom the frames are for.
        longest_gap_s: how far the time stamps of a pair may lie apart.

    Raises:
        InputError: it is neither, or there is no pair.
    """
    if not all((folder / name).is_file() for name in _LISTS):
        items = [item for item in find_items(folder, pipeline) if not item.problem]
        lacking = len(find_items(folder, pipeline)) - len(items)
        files = [(item.stem, item.files["rgb_image"], item.files["depth_image"]) for item in items]
        frames = [Frame(index, stem, index / FOLDER_RATE, *pair) for index, (stem, *pair) in enumerate(files)]
        return Recording(tuple(frames), lacking, None)
    colours, depths = (_read_list(folder / name) for name in _LISTS)
    pairs = associate([time for time, *_ in colours], [time for time, *_ in depths], longest_gap_s)
    if not pairs:
        raise InputError(
            f"{folder}: no two of {len(colours)} colour and {len(depths)} depth pictures lie within "
            f"{1e3 * longest_gap_s:g} ms; allow more with --longest-gap"
        )
    first = colours[pairs[0][0]][0]
    frames = [
        Frame(index, colours[one][1], colours[one][0] - first, colours[one][2], depths[other][2])
        for index, (one, other) in enumerate(pairs)
    ]
    return Recording(tuple(frames), len(colours) - len(frames), TUM_UNITS_PER_METRE)


def associate(first: Sequence[float], second: Sequence[float], longest_gap_s: float) -> list[tuple[int, int]]:
    """Pair two lists of time stamps, the closest first, each at most once.

    Args:
        first: seconds, in any order.
        second: the same of the other sensor.
        longest_gap_s: pairs lie closer than this or exactly so far.

    Returns:
        Indices into both lists, in the order of the first list's time.
    """
    order = sorted(range(len(second)), key=lambda index: second[index])
    near: list[tuple[float, int, int]] = []
    start = 0
    for one in sorted(range(len(first)), key=lambda index: first[index]):
        while start < len(order) and second[order[start]] < first[one] - longest_gap_s - 1e-9:
            start += 1
        for other in order[start:]:
            gap = second[other] - first[one]
            if gap > longest_gap_s + 1e-9:
                break
            near.append((abs(gap), one, other))
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, one, other in sorted(near):
        if one not in taken and other not in used:
            taken[one] = other
            used.add(other)
    return sorted(taken.items(), key=lambda pair: first[pair[0]])


def _read_list(path: Path) -> list[tuple[float, str, Path]]:
    """Return time, its text and file of every line."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); check the recording") from error
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        try:
            time = float(words[0])
            if len(words) < 2 or not math.isfinite(time):
                raise ValueError
        except ValueError as error:
            raise InputError(f"{path}:{number} is {line[:60]!r}; write TIMESTAMP FILE, seconds and a path") from error
        found.append((time, words[0], path.parent / words[1].strip()))
    return found
