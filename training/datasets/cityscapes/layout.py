"""Cityscapes as its authors distribute it: 2,975 frames to train on, 500 to score, of a stereo camera in a car.

    DIR/leftImg8bit/SPLIT/CITY/CITY_SEQ_FRAME_leftImg8bit.png      8-bit colour
    DIR/gtFine/SPLIT/CITY/CITY_SEQ_FRAME_gtFine_labelIds.png       8-bit values of 34 labels, or ..._labelTrainIds.png
    DIR/disparity/SPLIT/CITY/CITY_SEQ_FRAME_disparity.png          16-bit grey, see `stereo`
    DIR/camera/SPLIT/CITY/CITY_SEQ_FRAME_camera.json               baseline and focal length

Each folder is one archive, as `gtFine_trainvaltest.zip`. The network is given depth in metres, as in the CEN paper, or
with `data.disparity` the disparity in pixels, which needs no `camera/`. SPLIT is `train` or `val`, which is validation
and test in one: the labels of `test` are not public. The coarse labels and `train_extra` are not read, as in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from crosswire.contract import Geometry
from crosswire.training.datasets.cityscapes.classes import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_PALETTE,
    ID_CODE,
    LABEL_IDS,
    TRAIN_ID_CODE,
)
from crosswire.training.datasets.cityscapes.stereo import GEOMETRY, disparity, read_camera
from crosswire.training.datasets.files.frames import FileFrames, Format, FrameEntry
from crosswire.training.datasets.files.images import Depth, Labels, read_depth, read_labels
from crosswire.training.datasets.files.problems import Problem, Survey, missing_file, refuse
from crosswire.training.tasks.segmentation.config import DataConfig

COLOUR, LABELS, DISPARITY, CAMERA = "leftImg8bit", "gtFine", "disparity", "camera"
#: What the files of a folder end with; the first is the official one.
ENDINGS = {
    COLOUR: ("_leftImg8bit.png",),
    LABELS: ("_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"),
    DISPARITY: ("_disparity.png",),
    CAMERA: ("_camera.json",),
}
MISSING = missing_file("").what
#: Frames of the official splits.
OFFICIAL = {"train": 2975, "val": 500}
FORM = Format(
    classes=CITYSCAPES_CLASSES,
    palette=CITYSCAPES_PALETTE,
    depth=disparity,
    labels=ID_CODE,
    plausible=None,
    label_values=LABEL_IDS,
)


class CityscapesFrames(FileFrames):
    """Frames whose labels are stored in one of two ways, and whose disparity becomes depth by a camera of their own.

    Args:
        entries: where the images lie.
        cameras: where the camera of every frame lies; empty to give disparity in pixels in the place of depth.
    """

    def __init__(self, entries: Sequence[FrameEntry], cameras: Sequence[Path]) -> None:
        super().__init__(entries, FORM)
        self.cameras = cameras

    def labels(self, index: int) -> Labels:
        """Read the class indices of a frame.

        Raises:
            DataError: a file that cannot be used.
        """
        file = self.entries[index].labels
        return read_labels(file, ID_CODE if file.name.endswith(ENDINGS[LABELS][0]) else TRAIN_ID_CODE)

    def depth(self, index: int) -> Depth:
        """Read depth in metres, or disparity in pixels, float32 [H, W], 0 = no reading.

        Raises:
            DataError: a file that cannot be used.
        """
        decode = read_camera(self.cameras[index]).depth if self.cameras else disparity
        return read_depth(self.entries[index].depth, decode)

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield everything that is wrong with the files of a frame that exist; `survey` names those that do not."""
        yield from (problem for problem in super().problems(index) if problem.what != MISSING)


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return (path / COLOUR).is_dir() or (path / LABELS).is_dir()


def stored_geometry(config: DataConfig) -> Geometry | None:
    """Return how images hold the stream `depth`; None where it is metres that no file holds."""
    return GEOMETRY if config.disparity else None


def open_split(config: DataConfig, split: str) -> CityscapesFrames:
    """Return the frames of a split.

    Raises:
        DataError: a folder or a file is missing.
    """
    frames, problems = _split(config, "train" if split == "train" else "val")
    refuse(problems)
    return frames


def survey(config: DataConfig) -> Survey:
    """Lay open both splits; one that has not as many frames as the official one is a warning."""
    entries: list[FrameEntry] = []
    cameras: list[Path] = []
    problems: list[Problem] = []
    for split, official in OFFICIAL.items():
        frames, missing = _split(config, split)
        entries += frames.entries
        cameras += frames.cameras
        problems += missing
        if 0 < len(frames) != official:
            cure = "extract the archives again, or leave it where it is a part on purpose"
            what = f"holds {len(frames)} frames, the official split has {official}"
            problems.append(Problem(str(Path(config.path) / COLOUR / split), what, cure, warning=True))
    return Survey(tuple(problems), CityscapesFrames(entries, cameras))


def _split(config: DataConfig, split: str) -> tuple[CityscapesFrames, list[Problem]]:
    """Return every frame of a split of which at least one file exists, and what is missing."""
    root = Path(config.path)
    folders = [folder for folder in ENDINGS if folder != CAMERA or not config.disparity]
    places = {folder: root / folder / split for folder in folders}
    problems = [_missing(place, folder) for folder, place in places.items() if not place.is_dir()]
    names = sorted({name for folder, place in places.items() for name in _names(place, ENDINGS[folder])})
    if not names and not problems:
        what = f"holds no CITY/CITY_SEQ_FRAME{ENDINGS[COLOUR][0]}"
        problems.append(Problem(str(places[COLOUR]), what, f"extract {_archive(COLOUR)} into {root}"))
    files = {folder: [_file(place, name, ENDINGS[folder]) for name in names] for folder, place in places.items()}
    there = [folder for folder in folders if places[folder].is_dir()]  # the others are said once, as folders
    problems += [_missing(file, folder) for folder in there for file in files[folder] if not file.is_file()]
    entries = [FrameEntry(*paths) for paths in zip(files[COLOUR], files[DISPARITY], files[LABELS], strict=True)]
    return CityscapesFrames(entries, files.get(CAMERA, [])), problems


def _names(place: Path, endings: Sequence[str]) -> set[str]:
    """Return `CITY/CITY_SEQ_FRAME` of every file of a split."""
    found = ((path, ending) for ending in endings for path in place.glob(f"*/*{ending}"))
    return {f"{path.parent.name}/{path.name.removesuffix(ending)}" for path, ending in found}


def _file(place: Path, name: str, endings: Sequence[str]) -> Path:
    """Return the file of a frame, or the official one that should be there."""
    candidates = [place / f"{name}{ending}" for ending in endings]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _missing(path: Path, folder: str) -> Problem:
    """Return the problem of a file or a folder of an archive that does not exist."""
    return Problem(str(path), MISSING, f"extract {_archive(folder)} again, whole, beside the other archives")


def _archive(folder: str) -> str:
    """Return the name of the archive that a folder comes in."""
    return f"{folder}_trainvaltest.zip"
