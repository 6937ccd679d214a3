"""Reading the three images of a frame from files; what cannot be read is named, with a cure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from crosswire.contract import Geometry
from crosswire.media.depth import to_metres, to_values
from crosswire.media.depth_files import DepthFileError, read_depth_file
from crosswire.media.describe import describe_image
from crosswire.media.orientation import TAG, TAG_NAME, UPRIGHT, orientation_of, upright
from crosswire.training.datasets.files.label_colours import ColourCode
from crosswire.training.datasets.files.problems import DataError, Problem, missing_file
from crosswire.training.datasets.frames import IGNORE

Colour = NDArray[np.uint8]
Depth = NDArray[np.float32]
Labels = NDArray[np.uint8]

#: Stored values per metre that are tried, the commonest first, and where the median of a scene lies, metres.
UNITS_IN_USE, ROOM = (1000, 5000, 256, 10_000, 100, 1), (0.3, 8.0)
_COLOUR_MODES = ("RGB", "RGBA", "L", "P", "CMYK", "YCbCr")


@dataclass(frozen=True)
class LabelCode:
    """How class indices are stored.

    Attributes:
        values: stored value of every class, 0 to 255, no two alike.
        ignore: stored value of unlabelled pixels; None where every pixel has a class.
        also_ignored: further ones, as those of labels that are no class.
    """

    #: Modes of Pillow images that hold them, what they are called, and how they are saved.
    modes: ClassVar[tuple[str, ...]] = ("L", "P")
    kind: ClassVar[str] = "class indices"
    cure: ClassVar[str] = "save class indices as an 8-bit grey or indexed PNG, without smoothing and without colours"

    values: Sequence[int]
    ignore: int | None = IGNORE
    also_ignored: Sequence[int] = ()

    def array(self, image: Image.Image) -> Labels:
        """Return the stored values of an image, uint8 [H, W]."""
        return np.array(image)

    def decode(self, stored: NDArray[np.generic], file: str) -> Labels:
        """Return class indices, `IGNORE` where unlabelled, uint8 of the same shape.

        Raises:
            DataError: a stored value that is neither a class nor the ignore value.
        """
        known, labels = np.zeros(257, np.bool_), np.full(257, IGNORE, np.uint8)  # the last is of no value at all
        known[list(self.values)], labels[list(self.values)] = True, range(len(self.values))
        ignored = [*(() if self.ignore is None else (self.ignore,)), *self.also_ignored]
        known[ignored] = True
        values = np.asarray(stored, np.int64)
        places = np.where((values >= 0) & (values < 256), values, 256)
        wrong = ~known[places]
        if wrong.any():
            unlabelled = f", and {', '.join(map(str, ignored))} for unlabelled" if ignored else ""
            raise DataError(
                Problem(
                    file,
                    f"{int(wrong.sum())} pixels hold {_listed(np.unique(values[wrong]))}, which is no class",
                    f"allowed are {self}{unlabelled}",
                )
            )
        decoded: Labels = labels[places]
        return decoded

    def __str__(self) -> str:
        """Return the values of classes as people write them."""
        first, last = self.values[0], self.values[-1]
        if list(self.values) == [*range(first, last + 1)]:
            return f"{first} to {last}"
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class PlainDepth:
    """Depth as numbers of parts of a metre.

    Attributes:
        units_per_metre: stored difference that is one metre, for example 1000 for millimetres; None where floats are
            metres and nothing else is expected.
    """

    units_per_metre: float | None

    def __call__(self, stored: NDArray[Any], file: str) -> Depth:
        """Return metres, 0 where `crosswire.media.depth` sees no reading.

        Raises:
            DataError: whole numbers of which nobody says the unit.
        """
        if self.units_per_metre is None and stored.dtype.kind != "f":
            cure = "say in manifest.json how many are one metre: depth_units_per_metre"
            raise DataError(Problem(file, "holds whole numbers of an unknown unit", cure))
        return to_metres(stored, self.units_per_metre or 1.0)


@dataclass(frozen=True)
class OtherGeometry:
    """Geometry that is not depth, as disparity or height.

    Attributes:
        geometry: what the numbers are.
    """

    geometry: Geometry

    def __call__(self, stored: NDArray[Any], file: str) -> Depth:
        """Return values in their unit, 0 where there is no reading, see `crosswire.media.depth.to_values`."""
        return to_values(stored, self.geometry)


def open_image(path: Path) -> Image.Image:
    """Open an image and decode it whole, turned as its EXIF orientation says that it is seen.

    Raises:
        DataError: a file that is missing or unreadable, or of more pixels than Pillow trusts.
    """
    try:
        with Image.open(path) as picture:
            orientation = orientation_of(picture)
            picture.load()
            turned = upright(picture, orientation)
            turned.format = picture.format
            return turned
    except FileNotFoundError:
        raise DataError(missing_file(path)) from None
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(Problem(str(path), f"cannot be read ({error})", "export or copy it again")) from error


def read_colour(path: Path) -> Colour:
    """Read a colour image, uint8 [H, W, 3]; grey is repeated, transparency is dropped.

    Raises:
        DataError: a file that is missing, unreadable, or not an image of 8 bits per channel.
    """
    picture = open_image(path)
    if picture.mode not in _COLOUR_MODES:
        raise DataError(
            Problem(str(path), f"is {describe_image(picture)}, not a colour picture", "save 8-bit RGB as JPEG or PNG")
        )
    return np.array(picture.convert("RGB"), np.uint8)


def read_depth(path: Path, decode: Callable[[NDArray[Any], str], Depth]) -> Depth:
    """Read a depth file of any format, float32 [H, W] in metres, 0 = no reading.

    Raises:
        DataError: a file that is missing, unreadable, or holds no depth, see `crosswire.media.depth_files`.
    """
    try:
        stored = read_depth_file(path.read_bytes())
    except FileNotFoundError:
        raise DataError(missing_file(path)) from None
    except OSError as error:
        raise DataError(Problem(str(path), f"cannot be read ({error})", "export or copy it again")) from error
    except DepthFileError as error:
        raise DataError(Problem(str(path), error.what, error.cure)) from error
    return decode(stored, str(path))


def read_labels(path: Path, code: LabelCode | ColourCode) -> Labels:
    """Read class indices, uint8 [H, W], `IGNORE` where unlabelled.

    Raises:
        DataError: a file that is missing, unreadable, no image of 8-bit indices, or holds values that are no class.
    """
    picture = open_image(path)
    if picture.mode not in code.modes:
        raise DataError(
            Problem(
                str(path),
                f"is {describe_image(picture)}, not {code.kind}",
                code.cure,
            )
        )
    return code.decode(code.array(picture), str(path))


def size_problem(shapes: Sequence[tuple[str, tuple[int, ...]]]) -> Problem | None:
    """Return what is wrong with the sizes of images that belong together, or None.

    Args:
        shapes: file and shape (H, W, ...) of each; the first one is what the others are compared with.
    """
    (first, want), *others = shapes
    for file, have in others:
        if have[:2] != want[:2]:
            return Problem(
                file,
                f"{have[0]}x{have[1]} (height x width), but {first} is {want[0]}x{want[1]}",
                "register the pictures to one view of one size, depth and labels to the nearest pixel",
            )
    return None


def orientation_problem(files: Sequence[Path]) -> Problem | None:
    """Return what is wrong with the EXIF orientation of pictures that belong together, or None: they do not agree.

    Where only one says that it was turned, nobody knows whether the others were turned before they were stored.

    Args:
        files: the first one is what the others are compared with; one that holds no picture says nothing.
    """
    first, *others = files
    want = _orientation_in(first)
    for file in others:
        if (have := _orientation_in(file)) != want:
            return Problem(
                str(file),
                f"has {TAG_NAME} {have}, but {first} has {want} (1 is upright)",
                "store all of a frame upright and without the tag, or with the same one",
            )
    return None


def _orientation_in(file: Path) -> int:
    """Return the EXIF orientation that a file says, `UPRIGHT` where it says none or cannot be read."""
    try:
        with Image.open(file) as picture:
            if picture.format == "TIFF":  # Pillow turns it when it is decoded
                return int(picture.getexif().get(TAG, UPRIGHT))
            return orientation_of(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return UPRIGHT


def depth_problem(
    depth: Depth, file: str, allowed: tuple[float, float] | None, units: float | None = None
) -> Problem | None:
    """Return what makes depth implausible, or None: no reading at all, or a median outside `allowed` where given.

    Args:
        depth: as it was read, [H, W].
        file: what to call it.
        allowed: smallest and largest median that is plausible.
        units: stored values per metre that it was read with, where they are known; another one may be proposed.
    """
    readings = depth[depth > 0]
    if not readings.size:
        return Problem(file, "all of it is 0, which means no reading", "leave the frame out, or export its depth again")
    median = float(np.median(readings))
    if allowed is not None and not allowed[0] <= median <= allowed[1]:
        return Problem(
            file,
            f"the median reading is {median:.4g} m, plausible is {allowed[0]:g} to {allowed[1]:g} m",
            f"check how many units a metre has in the files; {_likelier(median, units, allowed)}millimetres have 1000",
        )
    return None


def _likelier(median: float, units: float | None, allowed: tuple[float, float]) -> str:
    """Return a unit in use that makes a plausible room of a median reading, in words; empty where none does."""
    if units is None:
        return ""
    for likelier in UNITS_IN_USE:
        metres = median * units / likelier
        if max(ROOM[0], allowed[0]) <= metres <= min(ROOM[1], allowed[1]):
            return f"with depth_units_per_metre {likelier} it would be {metres:.2g} m; "
    return ""


def _listed(values: NDArray[np.int64]) -> str:
    """Return a few numbers as text."""
    return ", ".join(str(value) for value in values[:5]) + (", …" if len(values) > 5 else "")
