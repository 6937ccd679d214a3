"""`report`: draw what a run has to show."""

from __future__ import annotations

import argparse
from pathlib import Path

from crosswire.contract.command_line import Commands


def add(commands: Commands) -> None:
    """Describe `report`."""
    report = commands.add_parser("report", help="draw scaling factors, exchange, feature maps and decisions of a run")
    report.add_argument("run", type=Path, help="run folder")
    report.set_defaults(function=_report)


def _report(options: argparse.Namespace) -> None:
    """Draw a run."""
    from crosswire.training.engine.run_folder import read_run
    from crosswire.training.tasks.registry import task_of

    run = read_run(options.run)
    print(f"written: {task_of(run.config).report(run)}")
