"""Looking through a whole data set for files that training could not use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from crosswire.training.config import ConfigError
from crosswire.training.datasets.clips.clip_files import ClipFiles
from crosswire.training.datasets.clips.layouts import CLIP_LAYOUTS, SPLITS
from crosswire.training.datasets.features import activitynet
from crosswire.training.datasets.files.problems import Problem, Survey
from crosswire.training.datasets.layouts import LAYOUTS
from crosswire.training.datasets.taskonomy import check
from crosswire.training.tasks.audio_video.config import ClipShape
from crosswire.training.tasks.segmentation.config import DataConfig

TASKONOMY, ACTIVITYNET = "taskonomy", "activitynet"
#: Every layout there is.
NAMES = (*LAYOUTS, TASKONOMY, ACTIVITYNET, *CLIP_LAYOUTS)


def recognised(path: Path) -> str:
    """Return the name of the layout that a path looks like.

    Raises:
        ConfigError: it does not exist, or looks like none.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist")
    recognises = {name: layout.recognise for name, layout in LAYOUTS.items()}
    recognises |= {TASKONOMY: check.recognise, ACTIVITYNET: activitynet.recognise}
    recognises |= {name: layout.recognise for name, layout in CLIP_LAYOUTS.items()}
    for name, recognise in recognises.items():
        if recognise(path):
            return name
    raise ConfigError(
        f"{path} looks like none of {', '.join(NAMES)}; say which it is with --layout, "
        "or write manifest.json for frames of your own (docs/guides/own-data.md)"
    )


def survey_of(layout: str, config: DataConfig) -> tuple[str, Survey]:
    """Return the title of a layout, and a data set laid open for a check.

    Args:
        layout: name of a layout of images, of clips or of features.
        config: where the data set lies.

    Raises:
        ConfigError: an unknown layout, or clips of which the list or the folders are broken.
    """
    if layout in LAYOUTS:
        return LAYOUTS[layout].title, LAYOUTS[layout].survey(config)
    if layout == TASKONOMY:
        root = Path(config.path)
        return check.TITLE, check.survey(root, Path(config.splits or root))
    if layout == ACTIVITYNET:
        return activitynet.TITLE, activitynet.survey(Path(config.path))
    if layout not in CLIP_LAYOUTS:
        raise ConfigError(f"layout {layout!r} is unknown; allowed are {', '.join(NAMES)}")
    splits = [CLIP_LAYOUTS[layout].open(Path(config.path), split, ClipShape()) for split in SPLITS]
    files = dict.fromkeys(file for split in splits for file in split.files)  # `val` is often `test`
    return CLIP_LAYOUTS[layout].title, Survey((), ClipFiles([*files], splits[0].classes, ClipShape()))


def problems(survey: Survey, *, progress: bool = True) -> Iterator[Problem]:
    """Yield everything that is wrong with a data set: lists, frame by frame under a progress bar, and all together."""
    yield from survey.problems
    for index in tqdm(range(len(survey.frames)), desc="checking frames", unit="frame", disable=not progress):
        yield from survey.frames.problems(index)
    yield from survey.whole()
