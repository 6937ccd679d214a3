"""`train`: train a preset, or go on with a run."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from crosswire.contract.command_line import Commands
from crosswire.contract.errors import UsageError
from crosswire.training.commands.arguments import add_settings
from crosswire.training.config import RunConfig, same_result
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset


def add(commands: Commands) -> None:
    """Describe `train`."""
    train = commands.add_parser("train", help="train a preset, or go on with a run")
    train.add_argument("preset", nargs="?", help="see: crosswire presets")
    train.add_argument(
        "--data", type=Path, metavar="DIR", help="data set to train on, of any layout that check-data knows"
    )
    train.add_argument("--to", type=Path, metavar="RUN", help="run folder to write (default runs/PRESET)")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder where it stopped")
    train.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="go on with the run folder of --to where it holds this run, begin where it does not: for schedulers that "
        "start a job anew",
    )
    train.add_argument(
        "--other-processes",
        action="store_true",
        help="go on with more or fewer processes than the run had; not exactly the same run any more",
    )
    train.add_argument(
        "--init", metavar="RUN|imagenet", help="begin from the weights of a run, or of an installed ImageNet package"
    )
    add_settings(train)
    train.add_argument(
        "--quiet", action="store_true", help="say the result alone; train.log in the run folder has the rest"
    )
    train.set_defaults(function=_train)


def _train(options: argparse.Namespace) -> None:
    """Train, score and report a run."""
    from crosswire.training.engine.console.run_log import TRAIN_LOG, RunLog
    from crosswire.training.engine.fit import fit  # torch and lightning are needed only here
    from crosswire.training.engine.run_folder import read_config, read_run
    from crosswire.training.tasks.registry import ScoreOptions, task_of

    if (options.preset is None) == (options.resume is None):
        raise UsageError("give a preset to train, or --resume RUN to go on with a run; see: crosswire presets")
    if options.resume and options.data:
        raise UsageError("--resume goes on with its data; where they moved, say --set data.path=DIR instead of --data")
    if options.resume and options.go_on:
        raise UsageError("--resume goes on with a run in any case; --continue is for a preset and --to RUN")
    if options.resume and options.to:
        raise UsageError("--resume goes on with a run where it is; it does not take --to")
    config: RunConfig
    if options.resume and options.init:
        raise UsageError("--resume goes on with a run's own weights; it does not take --init")
    if options.resume:
        folder = options.resume
        before = read_config(folder)
        config = override(before, options.assignments)
        if not same_result(before, config):
            raise UsageError(
                "--resume goes on with a run as it was; --set can only change how it is computed (runtime.*) "
                "and where its data lie (data.path, data.splits, data.mapping)"
            )
    else:
        folder = options.to or Path("runs") / options.preset
        config = _begun(options.preset, options.data, options.init, options.assignments)
    resume = options.resume is not None or options.go_on
    if not fit(config, folder, resume=resume, other_processes=options.other_processes, progress=not options.quiet):
        return
    task = task_of(config)
    RunLog(folder).say(task.format_scores(task.score(read_run(folder), ScoreOptions(progress=not options.quiet))))
    print(f"\nwritten: {folder}, its log: {folder / TRAIN_LOG}; curves: tensorboard --logdir {folder}/tensorboard")
    print(f"next: {task.next_step(config, folder)}")


def _begun(name: str, data: Path | None, init: str | None, assignments: Sequence[str]) -> RunConfig:
    """Return a preset with a data set, the user's settings, and those that the data say where the user does not."""
    from crosswire.training.datasets.check import recognised
    from crosswire.training.engine.machine.processes import launched
    from crosswire.training.from_data import with_measured

    place = [] if data is None else [f"data.name={recognised(data)}", f"data.path={data}"]
    config: RunConfig = override(_initialised(preset(name), init), [*place, *assignments])
    config, words = with_measured(config, {one.partition("=")[0].strip() for one in assignments})
    if words and launched(os.environ).rank == 0:
        print(words, flush=True)
    return config


def _initialised(config: RunConfig, init: str | None) -> RunConfig:
    """Return a configuration that begins from given weights; from a run it takes the network, but for its classes.

    Raises:
        ConfigError: a run that cannot be begun from.
        UsageError: a task whose runs always begin from nothing.
    """
    from crosswire.training.tasks.segmentation.config import SegmentationConfig

    if init is None:
        return config
    if not isinstance(config, SegmentationConfig):
        raise UsageError(f"--init is for presets of segmentation, {config.preset} is none; leave it out")
    if init == "imagenet":
        return dataclasses.replace(config, network=dataclasses.replace(config.network, imagenet="installed"), init="")
    from crosswire.training.importers.runs import run_to_begin_from

    network = run_to_begin_from(Path(init)).config.network
    own = config.network
    of_data = {name: getattr(own, name) for name in ("classes", "geometry", "geometry_scale", "geometry_missing")}
    network = dataclasses.replace(network, imagenet="", **of_data)
    return dataclasses.replace(config, network=network, init=init)
