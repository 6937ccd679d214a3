"""NYUv2 as its authors distribute it: one file for 1,449 labelled frames.

    DIR/nyu_depth_v2_labeled.mat   MATLAB 7.3: `images` uint8 [N, 3, W, H], `depths` float32 [N, W, H] in metres with
                                   its holes filled, `labels` uint16 [N, W, H], 0 = unlabelled (as HDF5 shows them)
    DIR/classMapping40.mat         `mapClass`: the class, 1 to 40, of each of the 894 names that labels stand for
    DIR/splits.mat                 `trainNdxs`, `testNdxs`: numbers of the 795 and 654 frames, counted from 1

`data.path` is DIR or the .mat file itself; `data.mapping` and `data.splits` name the other two if they lie elsewhere.
A file whose labels stand for 40 names already needs no mapping. The test frames are validation and test in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosswire.media.depth import to_metres
from crosswire.training.datasets.classes import NYUV2_CLASSES, NYUV2_PALETTE
from crosswire.training.datasets.files.images import Depth, Labels, depth_problem
from crosswire.training.datasets.files.matlab import Hdf5, read_variables
from crosswire.training.datasets.files.problems import DataError, Problem, Survey
from crosswire.training.datasets.frames import IGNORE, Frame
from crosswire.training.tasks.segmentation.config import DataConfig

FILE, MAPPING, SPLITS = "nyu_depth_v2_labeled.mat", "classMapping40.mat", "splits.mat"
PLAUSIBLE = (0.3, 10.0)
_ARRAYS = {"images": ("uint8", 4), "depths": ("float32", 3), "labels": ("uint16", 3)}


class MatFrames:
    """Frames of the labelled file, read each time they are asked for.

    Args:
        source: the labelled file.
        indices: which frames, counted from 0.
        table: class of every stored label, uint8; `IGNORE` for unlabelled.
    """

    classes = NYUV2_CLASSES
    palette = NYUV2_PALETTE

    def __init__(self, source: Hdf5, indices: Sequence[int], table: NDArray[np.uint8]) -> None:
        self.source = source
        self.indices = indices
        self.table = table

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.indices)

    def __getitem__(self, index: int) -> Frame:
        """Read one frame.

        Raises:
            DataError: the frame cannot be read, or holds a label that the mapping does not know.
        """
        rgb = np.ascontiguousarray(self._read("images", index).transpose(2, 1, 0))
        return Frame({"rgb": rgb, "depth": to_metres(self._depth(index), 1.0)}, self._labels(index))

    def problems(self, index: int) -> Iterator[Problem]:
        """Yield everything that is wrong with one frame."""
        for read in (self._colour, self._labels):
            try:
                read(index)
            except DataError as error:
                yield error.problem
        try:
            depth = self._depth(index)
        except DataError as error:
            yield error.problem
            return
        if not np.isfinite(depth).all() or (depth < 0).any():
            yield Problem(self._name("depths", index), "holds values below 0 or not finite", "download the file again")
        elif problem := depth_problem(depth, self._name("depths", index), PLAUSIBLE):
            yield problem

    def _colour(self, index: int) -> NDArray[np.uint8]:
        """Read a colour image, uint8 [H, W, 3]."""
        return np.ascontiguousarray(self._read("images", index).transpose(2, 1, 0), np.uint8)

    def _depth(self, index: int) -> Depth:
        """Read depth as it is stored, float32 [H, W] in metres."""
        return np.ascontiguousarray(self._read("depths", index).T, np.float32)

    def _labels(self, index: int) -> Labels:
        """Read class indices, uint8 [H, W]."""
        stored = self._read("labels", index).T
        if stored.max() >= len(self.table):
            raise DataError(
                Problem(
                    self._name("labels", index),
                    f"holds label {stored.max()}",
                    f"the mapping knows 1 to {len(self.table) - 1}; give the one that belongs to the file",
                )
            )
        return np.ascontiguousarray(self.table[stored])

    def _read(self, array: str, index: int) -> NDArray[np.generic]:
        """Read one frame of an array as it is stored."""
        try:
            return np.asarray(self.source.file[array][self.indices[index]])
        except (OSError, RuntimeError) as error:
            cure = "download the file again"
            raise DataError(Problem(self._name(array, index), f"cannot be read ({error})", cure)) from error

    def _name(self, array: str, index: int) -> str:
        """Name a frame of an array in errors."""
        return f"{self.source.path}, {array} of frame {self.indices[index] + 1}"


def recognise(path: Path) -> bool:
    """Say whether a path looks like this layout."""
    return path.suffix == ".mat" or (path / FILE).is_file()


def open_split(config: DataConfig, split: str) -> MatFrames:
    """Return the frames of a split.

    Raises:
        DataError: one of the three files is missing or wrong.
    """
    source = Hdf5(_path(config))
    count = _checked(source)
    path = _beside(config.splits, source.path, SPLITS)
    name = "trainNdxs" if split == "train" else "testNdxs"
    numbers = [int(number) for number in np.atleast_1d(read_variables(path, name)[name])]
    if not numbers or min(numbers) < 1 or max(numbers) > count:
        what = f"{name} names frames outside 1 to {count}, which {source.path.name} holds"
        raise DataError(Problem(str(path), what, "give the splits that belong to the file"))
    return MatFrames(source, [number - 1 for number in numbers], _table(config, source))


def survey(config: DataConfig) -> Survey:
    """Lay open every frame of the file.

    Raises:
        DataError: one of the three files is missing or wrong.
    """
    train, test = open_split(config, "train"), open_split(config, "test")
    both = sorted({*train.indices} & {*test.indices})
    path = _beside(config.splits, train.source.path, SPLITS)
    problems = (Problem(str(path), f"puts frame {i + 1} into both splits", "take it out of one") for i in both)
    return Survey(tuple(problems), MatFrames(train.source, range(_checked(train.source)), train.table))


def _path(config: DataConfig) -> Path:
    """Return the labelled file."""
    path = Path(config.path)
    return path / FILE if path.is_dir() else path


def _beside(given: str, source: Path, name: str) -> Path:
    """Return a file that is given, or the one of that name beside the labelled file."""
    return Path(given) if given else source.parent / name


def _checked(source: Hdf5) -> int:
    """Return the number of frames of a file whose arrays fit together.

    Raises:
        DataError: an array is missing, or of another type or shape.
    """
    shapes = {}
    for name, (dtype, dimensions) in _ARRAYS.items():
        if name not in source.file:
            raise DataError(Problem(str(source.path), f"holds no {name!r}", f"{FILE} holds {', '.join(_ARRAYS)}"))
        array = source.file[name]
        if array.dtype != dtype or array.ndim != dimensions:
            what = f"{name} is {array.dtype} {list(array.shape)}"
            raise DataError(Problem(str(source.path), what, f"it is to be {dtype} of {dimensions} dimensions"))
        shapes[name] = (array.shape[0], *array.shape[-2:])
    if len({*shapes.values()}) > 1 or source.file["images"].shape[1] != 3:
        what = "arrays do not fit together: " + ", ".join(f"{k} {list(source.file[k].shape)}" for k in shapes)
        raise DataError(Problem(str(source.path), what, "download the file again"))
    return int(shapes["images"][0])


def _table(config: DataConfig, source: Hdf5) -> NDArray[np.uint8]:
    """Return the class of every stored label.

    Raises:
        DataError: the mapping is missing or wrong.
    """
    names = int(source.file["names"].size) if "names" in source.file else 0
    path = _beside(config.mapping, source.path, MAPPING)
    if not path.exists() and not config.mapping and 0 < names <= len(NYUV2_CLASSES):
        classes = np.arange(1, names + 1)
    else:
        classes = np.atleast_1d(read_variables(path, "mapClass")["mapClass"]).astype(np.int64)
    if classes.min() < 1 or classes.max() > len(NYUV2_CLASSES):
        what = f"mapClass runs from {classes.min()} to {classes.max()}"
        raise DataError(Problem(str(path), what, f"allowed is 1 to {len(NYUV2_CLASSES)}"))
    return np.concatenate([[IGNORE], classes - 1]).astype(np.uint8)
