"""`evaluate`: score a run on fresh frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands, add_renamed
from crosswire.contract.errors import UsageError


def add(commands: Commands) -> None:
    """Describe `evaluate`."""
    evaluate = commands.add_parser("evaluate", help="score a run on fresh frames")
    evaluate.add_argument("run", type=Path, help="run folder")
    evaluate.add_argument(
        "--scales", type=_scales, default=(1.0,), metavar="S,S", help="decide from several scales: 0.75,1,1.25"
    )
    evaluate.add_argument("--flip", action="store_true", help="decide from mirrored pictures too")
    evaluate.add_argument(
        "--missing-modality", action="store_true", help="score each stream alone and depth with holes too"
    )
    add_renamed(evaluate, "--availability", "--missing-modality")
    evaluate.add_argument(
        "--inception",
        type=Path,
        metavar="FILE",
        help="translation: measure FID and KID with these Inception v3 weights",
    )
    evaluate.add_argument(
        "--data", type=Path, metavar="FOLDER", help="segmentation: score the test frames of another data set"
    )
    evaluate.add_argument(
        "--degrade",
        nargs="*",
        metavar="KIND=AMOUNT",
        help="segmentation: score worse frames too: depth-blocks=SHARE, depth-noise=TIMES, depth-absent, rgb-absent "
        "(default depth-blocks=0.5 depth-blocks=0.8 depth-noise=4 and each stream absent)",
    )
    evaluate.add_argument("--quiet", action="store_true", help="no progress bars")
    evaluate.set_defaults(function=_evaluate)


def _scales(text: str) -> tuple[float, ...]:
    """Parse `0.75,1,1.25`."""
    try:
        scales = tuple(float(word) for word in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0.1 <= scale <= 4 for scale in scales):
        raise argparse.ArgumentTypeError(f"{text!r} are no scales; write numbers from 0.1 to 4: 0.75,1,1.25")
    return scales


def _evaluate(options: argparse.Namespace) -> None:
    """Score a run."""
    from crosswire.training.engine.run_folder import read_run
    from crosswire.training.tasks.registry import SEGMENTATION, ScoreOptions, task_name, task_of

    run = read_run(options.run)
    task = task_of(run.config)
    if task_name(run.config) != SEGMENTATION and (options.data or options.degrade is not None):
        raise UsageError(f"--data and --degrade belong to segmentation, {options.run} is {task_name(run.config)}")
    scored = ScoreOptions(
        options.scales,
        options.flip,
        options.missing_modality,
        progress=not options.quiet,
        inception=options.inception,
        data=options.data,
        degrade=None if options.degrade is None else tuple(options.degrade),
    )
    print(task.format_scores(task.score(run, scored)))
