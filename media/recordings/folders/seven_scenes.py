"""7-Scenes and its relatives: `frame-000000.color.png`, `frame-000000.depth.png` and `frame-000000.pose.txt`.

Depth counts millimetres, 65535 says no reading. In 7-Scenes depth is not registered to colour and no calibration is
given but focal length and axis of depth (https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/).
12-Scenes, BundleFusion and what ScanNet's tools write have the same names, JPEGs as colour, and a text file `info.txt`
with sizes, calibrations and the unit.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from crosswire.media.cameras.camera import Lens, RgbdCamera
from crosswire.media.recordings.folders.files import FilePair, file_recording, in_order, unit_fact
from crosswire.media.recordings.indexed import About, lens_of
from crosswire.media.recordings.recording import Fact, ReadOptions, Recording, RecordingError

FORMAT = "7-Scenes"
UNITS_PER_METRE = 1000.0
_NAME = re.compile(r"(frame-\d+)\.(color|depth)\.(png|jpg|jpeg|pgm)", re.IGNORECASE)
_INFO = ("info.txt", "_info.txt")
_SIZE = (640, 480)
#: Focal length and axis that 7-Scenes' page gives for depth, and those that people take for its colour.
_DEPTH_LENS = Lens(*_SIZE, 585.0, 585.0, 320.0, 240.0)
_COLOUR_LENS = Lens(*_SIZE, 525.0, 525.0, 320.0, 240.0)


def names_seven_scenes(names: set[str]) -> bool:
    """Say whether a folder with these names is one."""
    return any(_NAME.fullmatch(name) for name in names)


def open_seven_scenes(folder: Path, options: ReadOptions) -> Recording:
    """Open a folder of frames.

    Raises:
        RecordingError: it holds no pair, or its `info.txt` is damaged.
    """
    found: dict[str, dict[str, Path]] = {"color": {}, "depth": {}}
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            found[match[2].lower()][match[1].lower()] = path
    colours, depths = found["color"], found["depth"]
    both = {name: colours[name] for name in colours if name in depths}
    if not both:
        raise RecordingError(
            f"{folder} holds {len(colours)} colour and {len(depths)} depth images and no pair; expected "
            "frame-000000.color.png and frame-000000.depth.png"
        )
    pairs = [FilePair(colours[name], depths[name]) for name in in_order(both)]
    info = next((folder / name for name in _INFO if (folder / name).is_file()), None)
    unmatched = len(colours) + len(depths) - 2 * len(pairs)
    if info is not None:
        return _with_info(folder, pairs, info, unmatched, options)
    units, unit = unit_fact(options, UNITS_PER_METRE, "7-Scenes' page says")
    camera = RgbdCamera(_COLOUR_LENS, _DEPTH_LENS)
    lenses = "colour 525 pixels, depth 585 pixels, no distance between them"
    facts = (
        unit,
        Fact("no reading", "65535", "7-Scenes' page says"),
        Fact("registration", "none, depth lies in a camera of its own", "7-Scenes' page says"),
        Fact("camera", lenses, "7-Scenes' page gives depth's alone", guessed=True),
    )
    return file_recording(folder, pairs, About(FORMAT, facts, camera, False, unmatched), units)


def _with_info(folder: Path, pairs: list[FilePair], info: Path, unmatched: int, options: ReadOptions) -> Recording:
    """Open a folder whose `info.txt` says what there is to know."""
    try:
        lines = (line.partition("=") for line in info.read_text(encoding="utf-8", errors="replace").splitlines())
        said = {name.strip(): value.split() for name, _, value in lines if value.strip()}
        units, unit = unit_fact(
            options, float(said.get("m_depthShift", [str(UNITS_PER_METRE)])[0]), f"{info.name} says"
        )
        camera = _camera(said)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise RecordingError(f"{info} cannot be read ({error!r}); remove it, or copy it again") from error
    known = "known" if camera else "not known"
    facts = (
        unit,
        Fact("no reading", "0 and 65535", "such folders have it"),
        Fact("registration", _registration(camera), f"the calibrations in {info.name} say"),
        Fact(
            "camera", known, f"{info.name} says" if camera else f"{info.name} has extrinsic matrices of unsaid meaning"
        ),
    )
    registered = camera.registered if camera else None
    return file_recording(folder, pairs, About("7-Scenes", facts, camera, registered, unmatched), units)


def _registration(camera: RgbdCamera | None) -> str:
    if camera is None:
        return "not known"
    return "depth lies in the colour camera" if camera.registered else "none, depth lies in a camera of its own"


def _camera(said: dict[str, list[str]]) -> RgbdCamera | None:
    """Return the camera of an `info.txt`, whose matrices are 4 x 4, row after row; None where the two stand apart.

    What an extrinsic matrix other than the identity turns into what is written nowhere.
    """
    lenses = []
    for kind in ("color", "depth"):
        places = (f"m_calibration{kind.title()}{which}" for which in ("Intrinsic", "Extrinsic"))
        inner, outer = (np.array(said[name], np.float64).reshape(4, 4) for name in places)
        if not np.allclose(outer, np.eye(4)):
            return None
        lenses.append(lens_of(inner, (int(said[f"m_{kind}Width"][0]), int(said[f"m_{kind}Height"][0]))))
    colour, depth = lenses
    return RgbdCamera(colour, depth)
