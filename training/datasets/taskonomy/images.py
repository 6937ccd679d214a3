"""Taskonomy in its own layout: a folder per domain, and one PNG per view and domain.

    DIR/rgb/point_0_view_0_domain_rgb.png
    DIR/depth_zbuffer/point_0_view_0_domain_depth_zbuffer.png
    DIR/rgb/BUILDING/point_0_view_0_domain_rgb.png          the same with a folder per building

Views are named `point_0_view_0` or `BUILDING/point_0_view_0`. `train.txt` and `val.txt` list them, one per line;
without the lists the first two thirds in alphabetical order train and the rest validates, as 1,000 and 500 do there.
Ranges are those of the CEN journal paper as its code has them: depth in 1/512 m, edges up to 11355 and 11584. Its
texture edges are grey; those of the rooms have colours, so grey ones are repeated. Semantic segmentation lies in files
of its own ending, `segment_semantic/point_0_view_0_domain_segmentsemantic.png`: a class index per pixel (`classes.py`),
which is shown in its colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosswire.training.datasets.files.images import open_image, orientation_problem
from crosswire.training.datasets.files.lists import read_lines
from crosswire.training.datasets.files.problems import DataError, Problem, missing_file, refuse
from crosswire.training.datasets.taskonomy.classes import CLASSES
from crosswire.training.tasks.translation.config import ImagesConfig
from crosswire.training.tasks.translation.domains import domain, painted
from crosswire.training.tasks.translation.images import TRUE, Raw

UNITS_PER_METRE = 512.0
_BYTE = 255.0
#: Modes of Pillow that are taken as they are; all others become RGB.
_PLAIN = ("RGB", "L", "I", "I;16", "I;16B")


@dataclass(frozen=True)
class Stored:
    """How Taskonomy stores a domain.

    Attributes:
        folder: and end of the file names, where they have no other.
        top: stored value that becomes 255; None where metres are stored.
        named: end of the file names, where it is another one.
    """

    folder: str
    top: float | None = _BYTE
    named: str = ""

    @property
    def ending(self) -> str:
        """End of the file names of the domain, behind the name of a view."""
        return f"_domain_{self.named or self.folder}.png"


STORED = {
    "rgb": Stored("rgb"),
    "normal": Stored("normal"),
    "shade": Stored("reshading"),
    "texture": Stored("edge_texture", 11355.0),
    "edge": Stored("edge_occlusion", 11584.0),
    "curvature": Stored("principal_curvature"),
    "semseg": Stored("segment_semantic", named="segmentsemantic"),
    "depth": Stored("depth_zbuffer", None),
    "depth_euclidean": Stored("depth_euclidean", None),
    "segment2d": Stored("segment_unsup2d"),
    "segment25d": Stored("segment_unsup25d"),
}


class TaskonomyImages:
    """Views read from files each time they are asked for.

    Args:
        root: the folder with a folder per domain.
        views: their names.
        names: of the images, see `crosswire.training.tasks.translation.images.wanted`.
    """

    def __init__(self, root: Path, views: Sequence[str], names: Sequence[str]) -> None:
        self.root = root
        self.views = tuple(views)
        self.names = tuple(names)

    def __len__(self) -> int:
        """Number of views."""
        return len(self.views)

    def __getitem__(self, index: int) -> dict[str, Raw]:
        """Read one view.

        Raises:
            DataError: a file that cannot be used, or images of different sizes.
        """
        found = {name.removeprefix(TRUE) for name in self.names}
        files = {name: place(self.root, self.views[index], name) for name in sorted(found)}
        if problem := orientation_problem([*files.values()]):
            raise DataError(problem)
        read = {name: read_image(file, name) for name, file in files.items()}
        sizes = {picture.shape[:2] for picture in read.values()}
        if len(sizes) > 1:
            raise DataError(
                Problem(self.views[index], "has pictures of different sizes", "export all domains of a view alike")
            )
        return {name: read[name.removeprefix(TRUE)] for name in self.names}


def open_split(config: ImagesConfig, names: Sequence[str], split: str) -> TaskonomyImages:
    """Return the views of a split; `test` is `val`, as in the papers.

    Raises:
        DataError: a list or a file that is missing.
    """
    if not config.path:
        raise DataError("data set 'taskonomy' lies on disk; say where with data.path=DIR")
    if unknown := [name for name in names if name.removeprefix(TRUE) not in STORED]:
        raise DataError(f"taskonomy has no {unknown[0].removeprefix(TRUE)}; allowed are {', '.join(STORED)}")
    root, lists = Path(config.path), lists_of(Path(config.splits or config.path))
    if lists:
        views, problems = read_lines(lists[0 if split == "train" else 1])
        refuse(problems)
    else:
        everything = sorted(views_in(root, names[0].removeprefix(TRUE)))
        first = -(-2 * len(everything) // 3)
        views = everything[:first] if split == "train" else everything[first:]
    if not views:
        raise DataError(
            Problem(str(root), f"holds no view to {split} with", "docs/guides/own-data.md shows the layout")
        )
    files = [place(root, view, name) for view in views for name in {name.removeprefix(TRUE) for name in names}]
    refuse([missing_file(file) for file in files if not file.is_file()])
    return TaskonomyImages(root, views, names)


def lists_of(folder: Path) -> tuple[Path, ...]:
    """Return the list files of both splits, or nothing where there is neither."""
    lists = (folder / "train.txt", folder / "val.txt")
    return lists if any(path.exists() for path in lists) else ()


def views_in(root: Path, name: str) -> Iterator[str]:
    """Yield the names of all views of which a domain has an image."""
    folder, ending = STORED[name].folder, STORED[name].ending
    for path in (root / folder).rglob(f"*{ending}"):
        yield str(path.relative_to(root / folder)).removesuffix(ending)


def place(root: Path, view: str, name: str) -> Path:
    """Return where an image of a view lies."""
    return root / STORED[name].folder / f"{view}{STORED[name].ending}"


def read_image(path: Path, name: str) -> Raw:
    """Read one image: bytes [H, W, C] as uint8, edges scaled to them, depth float32 [H, W] in metres, classes painted.

    Raises:
        DataError: a file that is missing, no image, or none of the depth of bits that its domain has; a class that
            there is not.
    """
    picture = open_image(path)
    indexed = domain(name).is_painted and picture.mode == "P"
    stored = np.asarray(picture if indexed or picture.mode in _PLAIN else picture.convert("RGB"))
    top = STORED[name].top
    if (stored.dtype == np.uint8) != (top == _BYTE):
        has, wants = ("8", "16") if stored.dtype == np.uint8 else ("16", "8")
        raise DataError(
            Problem(str(path), f"has {has} bits per value, {STORED[name].folder} has {wants}", "take the original file")
        )
    if domain(name).is_painted:
        labels = _plane(stored)
        if (most := int(labels.max(initial=0))) >= len(CLASSES):
            raise DataError(
                Problem(str(path), f"has class {most}, allowed are 0 to {len(CLASSES) - 1}", "take the original file")
            )
        return painted(labels)
    if top is None:
        return (_plane(stored).astype(np.float32) / UNITS_PER_METRE).astype(np.float32)
    channels = domain(name).channels
    if channels == 1 or stored.ndim == 2:
        stored = _plane(stored)[..., None]
    scaled = np.rint(stored.astype(np.float64) * (_BYTE / top)).clip(0, _BYTE).astype(np.uint8)
    return np.repeat(scaled, channels // scaled.shape[2], axis=2)


def _plane(stored: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a grey image [H, W]; of several channels, which are alike, the first."""
    return stored[..., 0] if stored.ndim == 3 else stored
