"""Images of a recording that are files of their own: colour passed on as it is stored, depth in metres."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from crosswire.contract.errors import CrosswireError
from crosswire.media.depth import to_metres
from crosswire.media.depth_files import read_depth_file
from crosswire.media.orientation import orientation_of, upright
from crosswire.media.recordings.indexed import About, IndexedRecording, even_stamps, no_stamps, unit_words
from crosswire.media.recordings.recording import IMAGE_ERRORS, Fact, Images, ReadOptions, RecordingError

COLOUR_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")
_AS_STORED = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n")
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class FilePair:
    """Colour and depth of a frame, each a file.

    Attributes:
        colour: file of colour.
        depth: file of depth.
        stamps: when they were taken, nanoseconds, or None where nothing says.
    """

    colour: Path
    depth: Path
    stamps: tuple[int, int] | None = None


def colour_of(path: Path) -> npt.NDArray[np.uint8] | bytes:
    """Return a file's colour: the bytes of a JPEG or PNG, pixels of others, uint8 [H, W, 3].

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        if data.startswith(_AS_STORED):
            return data
        with Image.open(path, formats=_FORMATS) as image:
            return np.asarray(upright(image, orientation_of(image)).convert("RGB"))
    except IMAGE_ERRORS as error:
        raise RecordingError(f"{path} cannot be read ({error}); copy it again") from error


def depth_of(path: Path, units_per_metre: float) -> npt.NDArray[np.float32]:
    """Return a file's depth, metres, float32 [H, W], 0 where there is no reading.

    Raises:
        RecordingError: it cannot be read, or is none.
    """
    try:
        return to_metres(read_depth_file(path.read_bytes()), units_per_metre)
    except (OSError, CrosswireError) as error:
        raise RecordingError(f"{path} {error}") from error


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of an image file, pixels.

    Raises:
        RecordingError: it is none.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.size
    except IMAGE_ERRORS:
        try:
            height, width = read_depth_file(path.read_bytes()).shape
        except (OSError, CrosswireError) as error:
            raise RecordingError(f"{path} {error}") from error
        return width, height


def file_recording(folder: Path, pairs: Sequence[FilePair], about: About, units_per_metre: float) -> IndexedRecording:
    """Return the recording of some pairs of files, which are in the order of time.

    Args:
        folder: where they are.
        pairs: the files; stamps are made up where the first pair has none.
        about: what is known; a fact on time is added where stamps are made up.
        units_per_metre: what a metre counts in depth.
    """

    def load(index: int) -> Images:
        return colour_of(pairs[index].colour), depth_of(pairs[index].depth, units_per_metre)

    known = [pair.stamps for pair in pairs if pair.stamps is not None]
    if len(known) == len(pairs):
        return IndexedRecording(folder, about, known, load)
    facts = (*about.facts, no_stamps("the files carry no time stamps"))
    made_up = About(about.format, facts, about.camera, about.registered, about.unmatched)
    return IndexedRecording(folder, made_up, even_stamps(len(pairs)), load)


def holds_floats(depth: Path) -> bool:
    """Say whether a depth file holds floating point numbers, which mostly are metres.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        return bool(read_depth_file(depth.read_bytes()).dtype.kind == "f")
    except (OSError, CrosswireError) as error:
        raise RecordingError(f"{depth} cannot be read ({error}); copy it again") from error


def unit_fact(options: ReadOptions, usual: float, origin: str, guessed: bool = False) -> tuple[float, Fact]:
    """Return what a metre counts, and the fact that goes with it."""
    if options.units_per_metre is not None:
        return options.units_per_metre, Fact("depth unit", unit_words(options.units_per_metre), "you gave it")
    return usual, Fact("depth unit", unit_words(usual), origin, guessed)


def in_order(names: Mapping[str, Path]) -> list[str]:
    """Return names in the order of the numbers in them: frame 10 comes after frame 9."""
    return sorted(names, key=lambda name: ([int(number) for number in _DIGITS.findall(name)], name))
