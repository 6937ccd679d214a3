"""A manifest for files of which nobody said anything: what can be measured is measured, what cannot is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from crosswire.contract.wire_names import DEPTH
from crosswire.media.depth import is_reading
from crosswire.media.depth_files import DepthFileError, read_depth_file
from crosswire.training.datasets.files.frames import FileFrames, Format, FrameEntry
from crosswire.training.datasets.files.images import ROOM, UNITS_IN_USE, LabelCode, PlainDepth, open_image
from crosswire.training.datasets.files.problems import DataError, Problem
from crosswire.training.datasets.measured import spread
from crosswire.training.datasets.measured.colour_masks import MOST_COLOURS, painted_colours

#: Depth files that are looked at, spread over the frames; of labels all are.
_FILES = 40
_USUAL, _MASK = 1000, (0, 255)


@dataclass
class GuessedManifest:
    """What `manifest.json` may say.

    Attributes:
        keys: of the manifest, with their values.
        guessed: those that were guessed, with the reason.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)

    def guess(self, key: str, value: Any, why: str) -> None:
        """Add a key whose value a person should confirm."""
        self.keys[key], self.guessed[key] = value, why

    def plain(self) -> dict[str, Any]:
        """Return the manifest as plain JSON types."""
        return {**self.keys, **({"guessed": self.guessed} if self.guessed else {})}


def guessed_manifest(
    frames: Sequence[Mapping[str, Path]], classes: Sequence[str] = (), said: Mapping[str, Any] | None = None
) -> GuessedManifest:
    """Return a manifest for frames.

    Args:
        frames: the files of each, by `depth` and `labels`.
        classes: their names, where the user gives them.
        said: keys of the manifest that the user gives.

    Raises:
        DataError: a label file cannot be read.
    """
    manifest = GuessedManifest()
    _labels(manifest, [one["labels"] for one in frames], classes)
    manifest.keys |= said or {}
    if manifest.keys.get("geometry", DEPTH) == DEPTH and "depth_units_per_metre" not in manifest.keys:
        _unit(manifest, [one["depth"] for one in frames])
    return manifest


def _labels(manifest: GuessedManifest, files: Sequence[Path], classes: Sequence[str]) -> None:
    """Add what labels say of classes: their values, or their colours."""
    form = Format((), (), PlainDepth(None), LabelCode(()))
    colours = painted_colours(FileFrames([FrameEntry(file, file, file) for file in files], form), len(files))
    if colours and len(colours) <= MOST_COLOURS:
        _names(manifest, classes, [f"colour {red} {green} {blue}" for red, green, blue in colours])
        shares = ", ".join(f"{share:.1%}" for share in colours.values())
        why = f"the colours found, the commonest first ({shares} of the pixels); put them in the order of classes"
        manifest.guess("label_colours", [list(colour) for colour in colours], why)
        return
    values, palette = set[int](), None
    for file in files:
        picture = open_image(file)
        values |= {int(value) for value in np.unique(np.asarray(picture)).tolist()}
        palette = palette or _palette(picture)
    stored = sorted(value for value in values if 0 <= value <= 255)
    if not stored:
        what = f"hold {min(values)} to {max(values)}, expected values from 0 to 255"
        raise DataError(Problem(str(files[0].parent), what, "save class indices as 8-bit grey or indexed PNG files"))
    if tuple(stored) != _MASK and stored[-1:] == [255] and len(classes) != len(stored):
        manifest.guess("ignore", stored.pop(), "255 beside other values, as unlabelled pixels have it as a rule")
    _names(manifest, classes, [f"value {value}" for value in stored])
    count = len(manifest.keys["classes"])
    if stored != list(range(count)):
        if stored == list(range(stored[0], stored[0] + count)):
            manifest.keys["first_label"] = stored[0]
        elif len(stored) == count:
            manifest.keys["label_values"] = stored
    if palette is not None and stored and stored[-1] < len(palette) and len(stored) == count:
        manifest.keys["palette"] = [palette[value] for value in stored]


def _names(manifest: GuessedManifest, classes: Sequence[str], made_up: Sequence[str]) -> None:
    """Add names of classes: the user's, or made-up ones."""
    if classes:
        manifest.keys["classes"] = list(classes)
    else:
        manifest.guess("classes", list(made_up), "what the label files hold; give them names")


def _palette(picture: Image.Image) -> list[list[int]] | None:
    """Return the palette of an indexed image; None where it has none, or shades of grey."""
    if picture.mode != "P" or not (found := picture.getpalette()):
        return None
    colours = [list(found[place : place + 3]) for place in range(0, len(found) - 2, 3)]
    return None if all(len(set(colour)) == 1 for colour in colours) else colours


def _unit(manifest: GuessedManifest, files: Sequence[Path]) -> None:
    """Add the unit of depth in which the median reading is one of a scene."""
    medians = []
    for number in spread(len(files), _FILES):
        try:
            stored = read_depth_file(files[number].read_bytes())
        except (DepthFileError, OSError):
            continue  # check-data names it
        if stored.dtype.kind == "f":
            return  # floats are metres
        readings = stored[is_reading(stored)]
        if readings.size:
            medians.append(float(np.median(readings)))
    if not medians:
        return
    median = float(np.median(medians))
    fitting = [unit for unit in UNITS_IN_USE if ROOM[0] <= median / unit <= ROOM[1]]
    unit = fitting[0] if fitting else _USUAL
    why = f"the median reading, {median:g}, would be {median / unit:.3g} m"
    if not fitting:
        why += '; no unit in use makes a scene of that: is it another geometry? ("geometry": "disparity")'
    elif len(fitting) > 1:
        why += f"; {', '.join(f'{one} would make it {median / one:.3g} m' for one in fitting[1:])}"
    manifest.guess("depth_units_per_metre", unit, why)
