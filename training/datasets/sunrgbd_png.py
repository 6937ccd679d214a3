"""SUN RGB-D as it is often passed on: re-sorted, with one PNG of 37-class labels per frame.

    DIR/image/train/img-000001.jpg             8-bit colour
    DIR/depth/train/00000001.png               16-bit grey, as in the original: see `sunrgbd.rotated_depth`
    DIR/label37/train/img37labels-000001.png   8-bit classes 1 to 37, 0 = unlabelled
    DIR/train37.txt, test37.txt                one frame per line: paths of colour, depth and labels, by spaces

Only the lists say where images lie, so their names may differ. `test37.txt` is validation and test in one.
"""

from __future__ import annotations

from pathlib import Path

from crosswire.training.datasets.files.frames import FileFrames, open_files
from crosswire.training.datasets.files.lists import read_entries, survey_lists
from crosswire.training.datasets.files.problems import Survey
from crosswire.training.datasets.sunrgbd import FORM
from crosswire.training.tasks.segmentation.config import DataConfig

COLUMNS = (0, 1, 2)


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return (path / "train37.txt").exists() or (path / "label37").is_dir()


def open_split(config: DataConfig, split: str) -> FileFrames:
    """Return the frames of a split.

    Raises:
        DataError: a list or a file is missing or wrong.
    """
    root = Path(config.path)
    entries, problems = read_entries(root / f"{'train' if split == 'train' else 'test'}37.txt", root, COLUMNS)
    return open_files(entries, FORM, problems)


def survey(config: DataConfig) -> Survey:
    """Lay open both splits."""
    root = Path(config.path)
    return survey_lists(root / "train37.txt", root / "test37.txt", root, COLUMNS, FORM)
