"""List files: which frame belongs to which split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from crosswire.training.datasets.files.frames import FileFrames, Format, FrameEntry
from crosswire.training.datasets.files.problems import Problem, Survey, missing_file


def read_lines(path: Path) -> tuple[list[str], list[Problem]]:
    """Return the lines of a list file that are not empty, and what is wrong with the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [], [missing_file(path)]
    except (OSError, UnicodeDecodeError) as error:
        return [], [Problem(str(path), f"cannot be read ({error})", "write it as UTF-8 text, one frame per line")]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return [], [Problem(str(path), "names no frame", "write one frame per line")]
    twice = [line for line, count in Counter(lines).items() if count > 1]
    return lines, [Problem(str(path), f"names {line!r} more than once", "keep one of the lines") for line in twice]


def shared_lines(splits: Mapping[Path, Sequence[str]]) -> list[Problem]:
    """Return which frames are in more than one split, where scores would be of frames that were trained on."""
    problems: list[Problem] = []
    seen: dict[str, Path] = {}
    for path, lines in splits.items():
        for line in dict.fromkeys(lines):
            if line in seen:
                problems.append(
                    Problem(str(path), f"names {line!r}, which {seen[line].name} names too", "keep one of the lines")
                )
            seen.setdefault(line, path)
    return problems


def read_entries(path: Path, root: Path, columns: tuple[int, int, int]) -> tuple[list[FrameEntry], list[Problem]]:
    """Read a list file with the paths of three images per line, separated by a tab or spaces.

    Args:
        path: the list file.
        root: folder that the paths start from.
        columns: places of rgb, depth and labels in a line.

    Returns:
        entries and what is wrong with the file.
    """
    lines, problems = read_lines(path)
    entries = []
    for line in dict.fromkeys(lines):
        paths = line.split("\t") if "\t" in line else line.split()
        if len(paths) != 3:
            what = f"{line!r} has {len(paths)} paths instead of 3"
            problems.append(Problem(str(path), what, "separate colour, labels and depth by tabs, one frame per line"))
            continue
        entries.append(FrameEntry(*(root / paths[column] for column in columns)))
    return entries, problems


def survey_lists(train: Path, test: Path, root: Path, columns: tuple[int, int, int], form: Format) -> Survey:
    """Lay open the frames that two list files name; one that both name is a problem.

    Args:
        train: list of the frames to train on.
        test: list of the frames to score.
        root: folder that the paths start from.
        columns: places of rgb, depth and labels in a line, see `read_entries`.
        form: how the images are stored.
    """
    trained, wrong = read_entries(train, root, columns)
    scored, more = read_entries(test, root, columns)
    known = {entry.rgb for entry in trained}
    cure = "take it out of one, or scores are of frames that were trained on"
    both = [Problem(str(entry.rgb), "is in both lists", cure) for entry in scored if entry.rgb in known]
    return Survey((*wrong, *more, *both), FileFrames([*dict.fromkeys((*trained, *scored))], form))
