"""Folders of colour and depth whose files pair by number or time: Redwood's, ScanNet's, and PGM beside PNG.

Redwood names images `000001-000000033369.jpg`, a number and microseconds, in `rgb` or `image` and in `depth`; others
name both by one number. Depth of such folders mostly counts millimetres, which nothing in them says. What ScanNet's
tools write has the intrinsic matrices beside, in a folder `intrinsic`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import CameraError, RgbdCamera
from crosswire.media.depth_files import DEPTH_ENDINGS
from crosswire.media.recordings.folders.files import (
    COLOUR_ENDINGS,
    FilePair,
    file_recording,
    holds_floats,
    in_order,
    size_of,
    unit_fact,
)
from crosswire.media.recordings.folders.stamps import associate
from crosswire.media.recordings.indexed import About, lens_of
from crosswire.media.recordings.recording import Fact, ReadOptions, Recording, RecordingError

UNITS_PER_METRE = 1000.0
_COLOUR_FOLDERS = ("rgb", "color", "colour", "image", "images")
_DEPTH_FOLDERS = ("depth", "depths")
STAMPED = re.compile(r"\d+-(\d+)")  # number and microseconds
_NUMBERED = re.compile(r"\D*\d+\D*")


@dataclass(frozen=True)
class _Found:
    """The images of a folder, by what they are called.

    Attributes:
        format: what the folder is.
        colours: files of colour by their stems.
        depths: files of depth by their stems.
    """

    format: str
    colours: Mapping[str, Path]
    depths: Mapping[str, Path]


def names_pairs(folder: Path, names: set[str]) -> bool:
    """Say whether a folder with these names holds pairs."""
    if _places(folder, names) is not None:
        return True
    depths = {Path(name).stem for name in names if name.lower().endswith(".pgm")}
    return any(Path(name).stem in depths for name in names if name.lower().endswith((".png", ".jpg", ".jpeg", ".ppm")))


def open_numbered(folder: Path, options: ReadOptions) -> Recording:
    """Open a folder of pairs.

    Raises:
        RecordingError: it holds no pair.
    """
    found = _found(folder)
    pairs = _by_time(found, options) if _all_stamped(found) else _by_name(found)
    if not pairs:
        raise RecordingError(
            f"{folder} holds {len(found.colours)} colour and {len(found.depths)} depth images and no pair; expected "
            "files of one number in both, or of stamps closer than --longest-gap"
        )
    unmatched = len(found.colours) + len(found.depths) - 2 * len(pairs)
    usual, why = UNITS_PER_METRE, "16-bit depth mostly counts millimetres"
    if holds_floats(pairs[0].depth):
        usual, why = 1.0, "floating point depth mostly counts metres"
    units, unit = unit_fact(options, usual, why, guessed=True)
    camera, calibration = _camera(folder, pairs[0])
    same = size_of(pairs[0].colour) == size_of(pairs[0].depth)
    facts = (
        unit,
        Fact("no reading", "0 and 65535", "16-bit depth mostly has it", guessed=True),
        Fact("registration", "not known", f"nothing says it, sizes are {'the same' if same else 'different'}"),
        *calibration,
    )
    return file_recording(folder, pairs, About(found.format, facts, camera, None, unmatched), units)


def _places(folder: Path, names: set[str]) -> tuple[Path, Path] | None:
    """Return the folders of colour and of depth in a folder, or None."""
    found = []
    for wanted in (_COLOUR_FOLDERS, _DEPTH_FOLDERS):
        fitting = [folder / name for name in names if name.lower() in wanted and (folder / name).is_dir()]
        found.append(min(fitting, key=lambda path: wanted.index(path.name.lower()), default=None))
    colour, depth = found
    return None if colour is None or depth is None else (colour, depth)


def _found(folder: Path) -> _Found:
    """Return the images of a folder."""
    places = _places(folder, {path.name for path in folder.iterdir()})
    if places is None:
        depths = _files(folder, (".pgm",))
        colours = _files(folder, (".png", ".jpg", ".jpeg", ".ppm"))
        return _Found("pairs of PGM and PNG", {name: colours[name] for name in colours if name in depths}, depths)
    colours, depths = _files(places[0], COLOUR_ENDINGS), _files(places[1], DEPTH_ENDINGS)
    stamped = colours and all(STAMPED.fullmatch(name) for name in colours)
    return _Found("Redwood" if stamped else "folders of colour and depth", colours, depths)


def _files(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of a folder with a number in their names, by stem."""
    return {
        path.stem: path
        for path in folder.iterdir()
        if path.suffix.lower() in endings and _NUMBERED.search(path.stem) and not path.name.startswith(".")
    }


def _all_stamped(found: _Found) -> bool:
    names = [*found.colours, *found.depths]
    return bool(names) and all(STAMPED.fullmatch(name) for name in names)


def _by_name(found: _Found) -> list[FilePair]:
    """Return the pairs of files with one stem."""
    both = {name: path for name, path in found.colours.items() if name in found.depths}
    return [FilePair(both[name], found.depths[name]) for name in in_order(both)]


def _by_time(found: _Found, options: ReadOptions) -> list[FilePair]:
    """Return the pairs of files whose stamps are closest."""
    colours, depths = in_order(found.colours), in_order(found.depths)
    first, second = ([_microseconds(name) for name in names] for names in (colours, depths))
    near = associate([1e-6 * stamp for stamp in first], [1e-6 * stamp for stamp in second], options.longest_gap_s)
    return [
        FilePair(found.colours[colours[one]], found.depths[depths[other]], (1000 * first[one], 1000 * second[other]))
        for one, other in near
    ]


def _microseconds(name: str) -> int:
    match = STAMPED.fullmatch(name)
    return int(match[1]) if match else 0


def _camera(folder: Path, pair: FilePair) -> tuple[RgbdCamera | None, tuple[Fact, ...]]:
    """Return the camera that ScanNet's matrices describe, and what is known of it; None where there are none."""
    place = folder / "intrinsic"
    if not (place / "intrinsic_color.txt").is_file():
        return None, ()
    try:
        outer = [matrix for kind in ("color", "depth") for matrix in _matrices(place / f"extrinsic_{kind}.txt")]
        if not all(np.allclose(matrix, np.eye(4)) for matrix in outer):
            return None, (Fact("camera", "not known", "intrinsic/ has extrinsic matrices of unsaid meaning"),)
        colour, depth = (
            lens_of(next(_matrices(place / f"intrinsic_{kind}.txt")), size_of(path))
            for kind, path in (("color", pair.colour), ("depth", pair.depth))
        )
        return RgbdCamera(colour, depth), (Fact("camera", "known", "the matrices in intrinsic/ say"),)
    except (OSError, ValueError, StopIteration, CameraError) as error:
        raise RecordingError(f"{place} cannot be read ({error}); remove it, or copy it again") from error


def _matrices(path: Path) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the matrix of a text file; nothing where there is no file."""
    if path.is_file():
        yield np.array(path.read_text(encoding="utf-8").split(), np.float64).reshape(4, 4)
