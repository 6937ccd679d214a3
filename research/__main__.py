"""Command line: `python -m research COMMAND`, from a checkout; see `--help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from crosswire.training.__main__ import run
from research.commands import group, study, table

COMMANDS = (study, table, group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a line on stderr that says what is wrong."""
    return run("python -m research", "Test the papers' claims and compare published sizes.", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
