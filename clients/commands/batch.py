"""`batch`: a folder of inputs to a folder of results; started again, it goes on where it was."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from crosswire.clients.batch.folder import predict_folder
from crosswire.clients.batch.run import WINDOW
from crosswire.clients.commands.options import (
    add_recorded_options,
    add_recording_options,
    add_server_options,
    call_options,
    recorded_options,
    recording_arguments,
)
from crosswire.clients.errors import InputError
from crosswire.contract.command_line import Commands

_ENGINES = ("server", "ray", "in-process")


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "batch",
        help="ask about every item of a folder; resumes after any kind of end",
        description="Ask about every item of SRC and write DST/labels/STEM.png (one folder per image that the "
        "pipeline gives), DST/results.jsonl and DST/failures.jsonl. The same command again goes on where it was.",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="SRC",
        help="folder with rgb/ and depth/ (equal stems), clips, a list file, a recording of an RGB-D sensor, see "
        "docs/recordings.md, or a folder of recordings",
    )
    parser.add_argument("folder", type=Path, metavar="DST", help="folder for the results")
    parser.add_argument(
        "--engine",
        choices=_ENGINES,
        default=_ENGINES[0],
        help="who answers: a server, or without one workers that hold the graph, which have options of their own: "
        "crosswire batch --engine ray --help (default: %(default)s)",
    )
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one of the server)")
    parser.add_argument("--overlay", action="store_true", help="write overlays too")
    parser.add_argument(
        "--again", action="store_true", help="ask about every item that failed again, even if its files did not change"
    )
    parser.add_argument(
        "--window", type=int, default=WINDOW, metavar="N", help="most requests in flight (default: %(default)s)"
    )
    add_recording_options(parser)
    add_recorded_options(parser)
    add_server_options(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    """Run the batch; return 0, or 1 if an item failed."""
    if options.engine != _ENGINES[0]:
        raise InputError(f"--engine {options.engine} is no part of the clients; call crosswire batch")
    outcome = predict_folder(
        options.source,
        options.folder,
        options.url,
        pipeline=options.pipeline,
        overlay=options.overlay,
        window=options.window,
        again=options.again,
        recorded=recorded_options(options),
        progress=sys.stderr,
        **recording_arguments(options),
        **call_options(options),
    )
    print(outcome.as_text())
    return 1 if outcome.failed else 0
