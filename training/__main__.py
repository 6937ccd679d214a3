"""Commands of training: `crosswire train`, `evaluate`, `report` and more; see `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import ModuleType

from crosswire.contract.command_line import OneLineParser, print_error, run_command
from crosswire.training.commands import (
    check_data,
    count,
    evaluate,
    import_cen,
    infer,
    make_data,
    presets,
    report,
    train,
)

COMMANDS = (train, evaluate, report, presets, count, infer, import_cen, check_data, make_data)
RESEARCH = ("study", "table", "group")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a line on stderr that says what is wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in RESEARCH:
        print_error(f"got {words[0]!r}, which runs from a checkout now: python -m research {words[0]}")
        return 2
    return run("crosswire", "Train multimodal networks.", COMMANDS, words)


def run(program: str, description: str, offered: Sequence[ModuleType], arguments: Sequence[str] | None) -> int:
    """Run one of the commands that modules offer with `add`; return 0, or 2 after a line on stderr."""
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # before PyTorch: long spinning stalls on busy cores, none is slow
    parser = OneLineParser(prog=program, description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in offered:
        command.add(commands)
    return run_command(parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
