"""NYUv2 as the official code of the CEN paper lays it out: 795 frames to train on, 654 to score.

    DIR/rgb/000001.png     8-bit colour
    DIR/depth/000001.png   16-bit grey, 5000 per metre, 0 = no reading
    DIR/masks/000001.png   8-bit class indices, 0 to 39, 255 = unlabelled
    DIR/train.txt          one frame per line: `rgb/000001.png<TAB>masks/000001.png<TAB>depth/000001.png`
    DIR/val.txt            the same

The list files come with the code rather than with the images; `data.splits` names their folder if it is another.
Masks may be smaller than the images, whose rim is then cut off evenly. `val.txt` is validation and test in one.
"""

from __future__ import annotations

from pathlib import Path

from crosswire.training.datasets.classes import NYUV2_CLASSES, NYUV2_PALETTE
from crosswire.training.datasets.files.frames import FileFrames, Format, open_files
from crosswire.training.datasets.files.images import LabelCode, PlainDepth
from crosswire.training.datasets.files.lists import read_entries, survey_lists
from crosswire.training.datasets.files.problems import Survey
from crosswire.training.tasks.segmentation.config import DataConfig

UNITS_PER_METRE = 5000
COLUMNS = (0, 2, 1)
FORM = Format(
    classes=NYUV2_CLASSES,
    palette=NYUV2_PALETTE,
    depth=PlainDepth(UNITS_PER_METRE),
    labels=LabelCode(range(len(NYUV2_CLASSES))),
    plausible=(0.3, 10.0),
    crop_to_labels=True,
)


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return (path / "masks").is_dir()


def open_split(config: DataConfig, split: str) -> FileFrames:
    """Return the frames of a split.

    Raises:
        DataError: a list or a file is missing or wrong.
    """
    entries, problems = read_entries(_list(config, "train" if split == "train" else "val"), Path(config.path), COLUMNS)
    return open_files(entries, FORM, problems)


def survey(config: DataConfig) -> Survey:
    """Lay open both splits."""
    return survey_lists(_list(config, "train"), _list(config, "val"), Path(config.path), COLUMNS, FORM)


def _list(config: DataConfig, name: str) -> Path:
    """Return where the list file of a split lies."""
    return Path(config.splits or config.path) / f"{name}.txt"
