"""Command line: `crosswire batch --engine ray | in-process`.

Exit codes: 0 done; 1 done, but with failures that the table lists; 2 one line on stderr says what was wrong; 130
stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from crosswire.contract.command_line import OneLineParser, run_command
from crosswire.offline import command


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; None takes the process's.

    Returns:
        The exit code.
    """
    parser: argparse.ArgumentParser = OneLineParser(prog="crosswire", description="Batches without a server.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    command.add_to(commands)
    return run_command(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
