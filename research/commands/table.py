"""`table`: published sizes beside those of the networks built here."""

from __future__ import annotations

import argparse
import json

from crosswire.contract.command_line import Commands


def add(commands: Commands) -> None:
    """Describe `table`."""
    table = commands.add_parser("table", help="compare published sizes with those of the networks built here")
    table.add_argument("--json", action="store_true", help="one JSON line")
    table.set_defaults(function=_table)


def _table(options: argparse.Namespace) -> None:
    """Count and compare."""
    from research.published_sizes.table import published_sizes, text, to_plain

    table = list(published_sizes())
    print(json.dumps([to_plain(row) for row in table], ensure_ascii=False) if options.json else text(table))
