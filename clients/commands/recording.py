"""`recording`: what a recording of an RGB-D sensor holds, its camera as a file, one of its frames to look at."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from crosswire.clients.commands.options import add_recorded_options, recorded_options
from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder, write_whole
from crosswire.clients.inputs.recordings import LONGEST_GAP_S
from crosswire.clients.recorded.description import Description, counted, describe, write_frame
from crosswire.clients.recorded.open import RecordedPairs
from crosswire.contract.command_line import Commands


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "recording",
        help="say what a recording holds",
        description="Print what a recording holds and who says so; write its camera, or one of its frames.",
    )
    parser.add_argument("source", metavar="FILE", help="recording of an RGB-D sensor, see docs/recordings.md")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--count", action="store_true", help="read to the end, and say how many pairs there are")
    parser.add_argument(
        "--camera-out", type=Path, metavar="FILE", help="write its camera as JSON, as --camera takes it"
    )
    parser.add_argument("--frame", type=int, metavar="N", help="write frame N, from 0, to --out (default: 0)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for rgb.png, depth.png (mm), registered.png, preview.png"
    )
    parser.add_argument(
        "--longest-gap",
        type=float,
        default=1e3 * LONGEST_GAP_S,
        metavar="MS",
        help="longest time between colour and depth of a pair (default: %(default)g)",
    )
    parser.add_argument(
        "--depth-units-per-metre", type=float, metavar="UNITS", help="what one metre counts in stored depth"
    )
    add_recorded_options(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> None:
    """Print what there is, and write what is asked for."""
    if options.frame is not None and (options.frame < 0 or options.out is None):
        raise InputError(f"got --frame {options.frame}, expected 0 or more, and --out DIR to write it to")
    reading = replace(
        recorded_options(options),
        units_per_metre=options.depth_units_per_metre,
        longest_gap_s=options.longest_gap / 1e3,
    )
    with RecordedPairs(options.source, reading) as found:
        if options.count and found.live:
            raise InputError(f"{options.source} is a camera, which has no end; leave --count out")
        about = describe(found)
        about = counted(found, about) if options.count else about
        files = [] if options.camera_out is None else [_write_camera(about, options.camera_out)]
        if options.out is not None:
            files += write_frame(found, options.frame or 0, options.out).values()
    if options.json:
        print(json.dumps({**about.as_json(), "files": [str(path) for path in files]}, ensure_ascii=False))
    else:
        print(*about.as_lines(), *(f"wrote {path}" for path in files), sep="\n")


def _write_camera(about: Description, path: Path) -> Path:
    """Write the camera of a recording.

    Raises:
        InputError: it has none.
        OutputError: it cannot be written.
    """
    if about.camera is None:
        raise InputError(f"{about.path} has no calibration; write one as docs/pipelines.md says under Cameras")
    if path.resolve() == Path(about.path).resolve():
        raise InputError(f"{path} is what is read; name another file for --camera-out")
    prepare_folder(path.parent)
    return write_whole(path, about.camera.to_json().encode() + b"\n")
