"""ICL-NUIM as it is rendered: `scene_00_0000.png` and `scene_00_0000.depth`, a text file of a distance per pixel.

Distances lie along the ray through the pixel and become depth with the camera that the data set gives: focal lengths
481.2 and 480 pixels, axis at 319.5, 239.5 (https://www.doc.ic.ac.uk/~ahanda/VaFRIC/iclnuim.html). It writes the second
focal length with a minus, as its y axis points up; pictures are not upside down. Distances of the living room are in
metres.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.depth import to_metres
from crosswire.media.recordings.folders.files import colour_of, in_order, unit_fact
from crosswire.media.recordings.indexed import About, IndexedRecording, even_stamps, no_stamps
from crosswire.media.recordings.recording import Fact, Images, ReadOptions, Recording, RecordingError

FORMAT = "ICL-NUIM"
_NAME = re.compile(r"(scene_\d+_\d+)(\.depth|\.png|\.jpg)", re.IGNORECASE)
_LENS = Lens(640, 480, 481.2, 480.0, 319.5, 239.5)


def names_iclnuim(names: set[str]) -> bool:
    """Say whether a folder with these names is one."""
    return any(_NAME.fullmatch(name) and name.lower().endswith(".depth") for name in names)


def open_iclnuim(folder: Path, options: ReadOptions) -> Recording:
    """Open a folder of rendered frames.

    Raises:
        RecordingError: it holds no pair.
    """
    found: dict[bool, dict[str, Path]] = {True: {}, False: {}}
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            found[match[2].lower() == ".depth"][match[1]] = path
    colours, depths = found[False], found[True]
    names = in_order({name: colours[name] for name in colours if name in depths})
    if not names:
        raise RecordingError(f"{folder} holds .depth files and no image; expected scene_00_0000.png beside each")
    units, unit = unit_fact(options, 1.0, "ICL-NUIM's code reads metres, which its page does not say", guessed=True)
    facts = (
        unit,
        Fact("no reading", "0", "rendered depth has one everywhere"),
        Fact("depth", "distances along rays, turned into depth along the axis", "ICL-NUIM's page says"),
        Fact("registration", "depth lies in the colour camera", "one camera renders both"),
        Fact("camera", "481.2 and 480 pixels, axis at 319.5, 239.5", "ICL-NUIM's page says"),
        no_stamps("the files carry no time stamps"),
    )

    def load(index: int) -> Images:
        name = names[index]
        return colour_of(colours[name]), _depth(depths[name], units)

    unmatched = len(colours) + len(depths) - 2 * len(names)
    about = About(FORMAT, facts, RgbdCamera(_LENS, _LENS), True, unmatched)
    return IndexedRecording(folder, about, even_stamps(len(names)), load)


def _depth(path: Path, units_per_metre: float) -> npt.NDArray[np.float32]:
    """Return the depth of a file of distances along rays, metres, float32 [480, 640]: d / sqrt(1 + x² + y²)."""
    try:
        distances = np.array(path.read_bytes().split(), np.float32)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read ({error}); copy it again") from error
    if distances.size != _LENS.width * _LENS.height:
        raise RecordingError(f"{path} holds {distances.size} distances, expected 640 x 480; copy it again")
    x = (np.arange(_LENS.width) - _LENS.cx) / _LENS.fx
    y = (np.arange(_LENS.height) - _LENS.cy) / _LENS.fy
    along = np.sqrt(1 + x[None, :] ** 2 + y[:, None] ** 2).astype(np.float32)
    return to_metres(distances.reshape(_LENS.height, _LENS.width) / along, units_per_metre)
