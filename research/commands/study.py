"""`study`: test claims of the papers on procedural data, with spread over seeds."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from crosswire.contract.command_line import Commands

SIZES = ("cpu", "gpu")
RESULTS = Path("benchmarks/results")


def add(commands: Commands) -> None:
    """Describe `study`."""
    from research.study import STUDIES

    study = commands.add_parser("study", help="test claims of the papers on procedural data, over several seeds")
    study.add_argument("name", choices=sorted(STUDIES), help="what to study")
    study.add_argument("--size", choices=SIZES, default="cpu", help="few narrow networks, or the real evidence")
    study.add_argument("--seeds", type=_count, default=3, help="runs per row (default 3)")
    study.add_argument("--minutes", type=float, help="begin no further run after so many; the next call goes on")
    study.add_argument("--device", choices=("auto", "cpu"), default="auto", help="cpu: leave a GPU alone")
    study.add_argument("--runs", type=Path, metavar="DIR", help="where runs are kept (default runs/studies/NAME-SIZE)")
    study.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the figures are written")
    study.add_argument("--quiet", action="store_true", help="no progress bar")
    study.set_defaults(function=_study)


def _count(text: str) -> int:
    """Parse a number of seeds."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seeds; it is 1 to 100")
    return int(text)


def _places(options: argparse.Namespace) -> str:
    """Return the options that say where runs and figures are kept, as they were given."""
    runs = f" --runs {shlex.quote(str(options.runs))}" if options.runs else ""
    return runs + (f" --results {shlex.quote(str(options.results))}" if options.results != RESULTS else "")


def _study(options: argparse.Namespace) -> None:
    """Run a study to its end, or as far as the time goes."""
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from crosswire.contract.atomic_write import write_json
    from research.study import study
    from research.study.record import as_json, as_text, draw
    from research.study.runner import Unfinished, run_study

    chosen = study(options.name)
    command = f"python -m research study {options.name} --size {options.size} --seeds {options.seeds}"
    if options.device != "auto":
        command += f" --device {options.device}"
    folder = options.runs or Path("runs") / "studies" / f"{options.name}-{options.size}"
    try:
        table = run_study(
            chosen, options.size, options.seeds, folder, minutes=options.minutes, progress=not options.quiet
        )
    except Unfinished:
        print(f"the time is over; what is done is kept in {folder}\nnext: {command}{_places(options)}")
        return
    print(as_text(chosen, table))
    record = as_json(chosen, table, options.size, options.seeds, command)
    stem = options.results / f"{record['date']}-study_{options.name}_{options.size}"
    write_json(stem.with_suffix(".json"), record)
    draw(stem.with_suffix(".png"), chosen, table, folder)
    print(f"\nwritten: {stem}.json and {stem}.png")
