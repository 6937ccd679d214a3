"""`batch`: a folder of inputs to a folder of answers; started again, it goes on where it was."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosswire.clients.balance import Retries
from crosswire.clients.batch.run import FAILURES, RESULTS, WINDOW, BatchOptions, Outcome, run_batch
from crosswire.clients.batch.waiting import Waiting
from crosswire.clients.commands.connection import add_server_options, add_timeout_option, connect, server_of
from crosswire.clients.commands.recorded import add_recording_options

_PATIENT = Retries(attempts=1_000_000, first_pause_s=0.2, longest_pause_s=2.0)  # until the deadline


def add_to(commands: Any) -> None:
    """Declare the command.

    Args:
        commands: the collection that `ArgumentParser.add_subparsers` returns.
    """
    parser = commands.add_parser(
        "batch",
        help="ask about every item of a folder; resumes after any kind of end",
        description="Ask about every item of SRC and write DST/labels/STEM.png (one folder per picture that the "
        "pipeline gives), DST/results.jsonl and DST/failures.jsonl. The same command again goes on where it was.",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="SRC",
        help="folder with rgb/ and depth/ (equal stems), a recording in TUM's layout, clips, or a list file",
    )
    parser.add_argument("folder", type=Path, metavar="DST", help="folder for the results")
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one of the server)")
    parser.add_argument("--overlay", action="store_true", help="write overlays too")
    parser.add_argument(
        "--again", action="store_true", help="ask about every item that failed again, even if its files did not change"
    )
    parser.add_argument(
        "--window", type=int, default=WINDOW, metavar="N", help="most requests in flight (default: %(default)s)"
    )
    add_recording_options(parser)
    add_server_options(parser)
    add_timeout_option(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    """Run the batch; return 0, or 1 if an item failed."""
    gap_s = options.longest_gap / 1e3
    wanted = BatchOptions(options.overlay, options.depth_units_per_metre, options.window, gap_s, options.again)
    with server_of(options) as url:
        with connect(options, url) as asking:  # a server that never answered is not worth waiting for
            pipeline = asking.named_pipeline(options.pipeline)
        waiting = Waiting(url.replace(",", " or "), options.timeout)
        with connect(options, url, replace(_PATIENT, heard=waiting.heard)) as predictor:
            outcome = run_batch(predictor, pipeline, options.source, options.folder, wanted, waiting, sys.stderr)
    print(as_text(outcome, options.folder))
    return 1 if outcome.failed else 0


def as_text(outcome: Outcome, folder: Path) -> str:
    """Return how the batch ended, in one line, and what answers warn of."""
    new = outcome.done - outcome.before
    earlier = f" ({outcome.before} of them by earlier runs)" if outcome.before else ""
    rate = f"; {new} in {outcome.seconds:.1f} s, {new / outcome.seconds:.1f} a second" if new else ""
    failed = ""
    if outcome.failed:
        how = "repair the files and give the same command again, or the same files with --again"
        failed = f"; {outcome.failed} failed, see {folder / FAILURES}: {how}"
    warned = [
        f"\nwarning in {count} of {outcome.done} answers: {name}, see {folder / RESULTS}"
        for name, count in sorted(outcome.warnings.items())
    ]
    alone = f"; {outcome.unmatched} colour pictures had no depth close enough in time" if outcome.unmatched else ""
    return f"{outcome.done} answered{earlier}{failed}{rate}{alone}{''.join(warned)}"
