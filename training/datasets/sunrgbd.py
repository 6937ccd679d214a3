"""SUN RGB-D as its authors distribute it: 5,285 frames to train on, 5,050 to score, of four sensors and sizes.

    DIR/SUNRGBD/.../FRAME/image/NAME.jpg              8-bit colour
    DIR/SUNRGBD/.../FRAME/depth_bfx/NAME.png          16-bit grey, holes filled, see `rotated_depth`
    DIR/SUNRGBD/.../FRAME/depth/NAME.png              the same as it was measured; `data.depth_folder` chooses
    DIR/SUNRGBDtoolbox/Metadata/SUNRGBDMeta.mat       which frames there are
    DIR/SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat      MATLAB 7.3: labels of the 37 classes, 0 = unlabelled
    DIR/SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat  which folders are in the training set

The `seg.mat` that lies in every frame's folder has names of the annotators' own and is not read. The official test
frames are validation and test in one. The re-sorted copy with one PNG of labels per frame is `sunrgbd_png`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosswire.media.depth import SATURATED, to_metres
from crosswire.training.datasets.classes import SUNRGBD_CLASSES, SUNRGBD_PALETTE
from crosswire.training.datasets.files.frames import FileFrames, Format, FrameEntry
from crosswire.training.datasets.files.images import Depth, LabelCode, Labels
from crosswire.training.datasets.files.matlab import Hdf5, read_variables
from crosswire.training.datasets.files.problems import DataError, Problem, Survey, missing_file, refuse
from crosswire.training.tasks.segmentation.config import DataConfig

ROOT = "SUNRGBD"
META = "SUNRGBDtoolbox/Metadata/SUNRGBDMeta.mat"
LABELS = "SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat"
SPLIT = "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat"
FARTHEST_M = 8.0


def rotated_depth(stored: NDArray[Any], file: str) -> Depth:
    """Decode depth of SUN RGB-D to metres.

    Millimetres are stored with their 16 bits rotated left by three. The toolbox (`read3dPoints.m`) rotates them back,
    divides by 1000 and sets everything beyond 8 m to 8 m.

    Raises:
        DataError: no whole numbers; or the low three bits, which only readings beyond 8.19 m use, are in use almost
            everywhere: these are not rotated millimetres.
    """
    if stored.dtype != np.uint16:
        raise DataError(Problem(file, f"holds {stored.dtype}, expected are whole numbers", "take the original files"))
    readings = stored[(stored > 0) & (stored != SATURATED)]
    if readings.size and np.mean(readings & 7 > 0) > 0.5:
        cure = "take the original files; plain millimetres can be read as an own folder, see docs/guides/own-data.md"
        raise DataError(Problem(file, "is no depth of SUN RGB-D: its bits are not rotated by three", cure))
    millimetres = (stored >> 3) | (stored << 13)  # 65535, which is no reading, stays what it is
    return np.minimum(to_metres(millimetres, 1000), np.float32(FARTHEST_M))


FORM = Format(
    classes=SUNRGBD_CLASSES,
    palette=SUNRGBD_PALETTE,
    depth=rotated_depth,
    labels=LabelCode(range(1, len(SUNRGBD_CLASSES) + 1), ignore=0),
    plausible=(0.3, FARTHEST_M),
)


class ToolboxFrames(FileFrames):
    """Frames whose labels lie together in one file of the toolbox.

    Args:
        entries: where the images lie; labels are named by the file that holds them all.
        places: place of every frame's labels in that file.
        source: that file.
    """

    def __init__(self, entries: Sequence[FrameEntry], places: Sequence[int], source: Hdf5) -> None:
        super().__init__(entries, FORM)
        self.places = places
        self.source = source

    def labels(self, index: int) -> Labels:
        """Read the class indices of a frame, which MATLAB stores column by column."""
        name = f"{self.source.path}, frame {self.places[index] + 1}"
        file = self.source.file
        try:
            stored = np.asarray(file[file["SUNRGBD2Dseg"]["seglabel"][self.places[index]][0]]).T
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise DataError(Problem(name, f"cannot be read ({error})", "download the toolbox again")) from error
        return self.form.labels.decode(stored, name)


def recognise(path: Path) -> bool:
    """Say whether a folder looks like this layout."""
    return (path / ROOT).is_dir() or (path / META).exists()


def open_split(config: DataConfig, split: str) -> ToolboxFrames:
    """Return the frames of a split.

    Raises:
        DataError: a file is missing or wrong.
    """
    every, train = _all(config)
    chosen = [i for i, inside in enumerate(train) if inside == (split == "train")]
    entries = [every.entries[i] for i in chosen]
    refuse([missing_file(file) for entry in entries for file in (entry.rgb, entry.depth) if not file.is_file()])
    return ToolboxFrames(entries, chosen, every.source)


def survey(config: DataConfig) -> Survey:
    """Lay open every frame that the toolbox knows.

    Raises:
        DataError: a file of the toolbox is missing or wrong.
    """
    return Survey((), _all(config)[0])


def _all(config: DataConfig) -> tuple[ToolboxFrames, list[bool]]:
    """Return all frames, and for each whether it is in the training set."""
    root = Path(config.path)
    source = Hdf5(root / LABELS)
    frames = np.atleast_1d(read_variables(root / META, "SUNRGBDMeta")["SUNRGBDMeta"])
    split = read_variables(root / SPLIT, "alltrain")["alltrain"]
    training = {_inside(str(folder)) for folder in np.atleast_1d(split)}
    entries, train = [], []
    for frame in frames:
        folder = _inside(str(PurePosixPath(str(frame.rgbpath)).parent.parent))
        place = root / ROOT / folder
        depth = place / config.depth_folder / str(frame.depthname)
        entries.append(FrameEntry(place / "image" / str(frame.rgbname), depth, source.path))
        train.append(folder in training)
    _match(source, len(entries))
    _both_sides(root / SPLIT, train)
    return ToolboxFrames(entries, range(len(entries)), source), train


def _match(source: Hdf5, count: int) -> None:
    """Refuse a file with labels of another number of frames."""
    file = source.file
    try:
        labels = len(file["SUNRGBD2Dseg"]["seglabel"])
    except (KeyError, TypeError, ValueError) as error:
        what, cure = "holds no SUNRGBD2Dseg/seglabel", "download the toolbox again"
        raise DataError(Problem(str(source.path), what, cure)) from error
    if labels != count:
        what = f"holds labels of {labels} frames, {Path(META).name} names {count}"
        raise DataError(Problem(str(source.path), what, "take both from one download"))


def _both_sides(path: Path, train: Sequence[bool]) -> None:
    """Refuse a split that leaves nothing to train on, or nothing to score."""
    if not any(train) or all(train):
        what = f"alltrain names {'all' if any(train) else 'none'} of the {len(train)} frames of {Path(META).name}"
        raise DataError(Problem(str(path), what, "take both from one download"))


def _inside(folder: str) -> str:
    """Return the part of a folder's path after the authors' own root."""
    return folder.rstrip("/").rpartition(f"/{ROOT}/")[2]
