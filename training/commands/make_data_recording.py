"""`make-data recording`: frames of a recording as a folder to label."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from crosswire.contract.errors import UsageError
from crosswire.media.cameras.camera import CameraError, RgbdCamera

_OWN = ("path", "every", "limit", "sharpest", "moved", "camera", "colour_topic", "depth_topic", "longest_gap")
_EVERY_S, _LONGEST_GAP_MS = 1.0, 20.0


def add_options(make: argparse.ArgumentParser) -> None:
    """Declare what counts for a recording alone."""
    make.add_argument(
        "--every", type=float, metavar="SECONDS", help="of recording: a frame so often (default 1; 0: all)"
    )
    make.add_argument("--limit", type=int, metavar="N", help="of recording: most frames")
    make.add_argument("--sharpest", action="store_true", help="of recording: the sharpest of every such time")
    make.add_argument("--moved", action="store_true", help="of recording: none that looks like the one before")
    make.add_argument("--camera", type=Path, metavar="FILE", help="of recording: calibration instead of its own, JSON")
    make.add_argument("--colour-topic", metavar="NAME", help="of recording: topic or track of colour")
    make.add_argument("--depth-topic", metavar="NAME", help="of recording: topic or track of depth")
    make.add_argument(
        "--longest-gap", type=float, metavar="MS", help="of recording: between colour and depth of a pair (default 20)"
    )


def check_given(options: argparse.Namespace) -> None:
    """Refuse what is for recordings alone, or is missing for one."""
    if options.source != "recording":
        if own := [name for name in _OWN if getattr(options, name) not in (None, False)]:
            what = options.path if own[0] == "path" else f"--{own[0].replace('_', '-')}"
            raise UsageError(f"{what} is for: make-data recording; leave it out")
        return
    if options.path is None:
        raise UsageError(
            "got no recording, expected its file or folder; try: make-data recording desk.mcap --to frames"
        )
    if not options.classes:
        raise UsageError(
            "got no classes, expected the names of what will be labelled, in the order of their values; "
            "try --classes floor,wall,crate"
        )
    units, gap = options.depth_units_per_metre, options.longest_gap
    if units is not None and not 0 < units < math.inf:
        raise UsageError(f"--depth-units-per-metre is {units:g}, expected a number above 0; try 1000")
    if gap is not None and not 0 <= gap < math.inf:
        raise UsageError(f"--longest-gap is {gap:g}, expected milliseconds, 0 or more; try 20")
    if options.size is not None:
        raise UsageError("--size is for procedural data, a recording has its own; leave it out")
    if options.layout not in (None, "folder"):
        raise UsageError(f"--layout is {options.layout}; recordings become a plain folder, leave it out")


def extract_frames(options: argparse.Namespace) -> None:
    """Write frames of a recording; what is known of it is told before the first one."""
    from crosswire.media.recordings import open_recording
    from crosswire.media.recordings.recording import ReadOptions
    from crosswire.training.datasets.measured.recorded import HINT, Choice, extract

    every = _EVERY_S if options.every is None else options.every
    choice = Choice(every, options.limit, options.sharpest, options.moved)
    gap = _LONGEST_GAP_MS if options.longest_gap is None else options.longest_gap
    units = options.depth_units_per_metre
    read = ReadOptions(options.colour_topic, options.depth_topic, units, gap / 1e3)
    camera = None if options.camera is None else _camera(options.camera)
    classes = [word.strip() for word in options.classes.split(",") if word.strip()]
    with open_recording(options.path, read) as recording:
        print(f"{options.path}: {recording.format}", *map(str, recording.facts), sep="\n", flush=True)
        done = extract(recording, options.to, classes, choice, camera=camera, units_per_metre=units)
        if recording.registered is None and camera is None and recording.camera is None:
            print("registration: none, a guess: nobody says how the cameras stand; --camera FILE does")
    left = f", {done.alike} left out that look like the one before" if done.alike else ""
    print(f"{len(done.stems)} frames{left}; depth in {done.units_per_metre:.10g} units per metre, in the colour camera")
    if done.damaged:
        print(f"{len(done.damaged)} frames were left out, whose images cannot be read: {done.damaged[0]}")
    if done.too_far:
        print(
            f"{done.too_far} readings were too far for 16 bits and are none now; --depth-units-per-metre says another"
        )
    print(
        f"written: {options.to}\nnext: label them as {options.to / HINT} says, then: crosswire check-data {options.to}"
    )


def _camera(path: Path) -> RgbdCamera:
    """Read a calibration."""
    try:
        return RgbdCamera.from_json(path.read_bytes())
    except (OSError, CameraError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be used ({reason}); name a file as crosswire recording writes it") from error
