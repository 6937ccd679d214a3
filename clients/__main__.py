"""Command line: `crosswire predict`, `list`, `batch`, `stream`, `recording` and `bench`.

Exit codes: 0 done; 1 done, but with failures that are listed; 2 one line on stderr says what was wrong; 130 stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from crosswire.clients.commands import batch, bench, list_pipelines, predict, recording, stream
from crosswire.contract.command_line import OneLineParser, run_command

COMMANDS = (predict, list_pipelines, batch, stream, recording, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; None takes the process's.

    Returns:
        The exit code.
    """
    parser = OneLineParser(prog="crosswire", description="Ask a Crosswire server about your images.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return run_command(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
