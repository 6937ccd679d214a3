"""What the commands share on the command line."""

from __future__ import annotations

import argparse
import re
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_settings(parser: argparse.ArgumentParser, what: str = "change a setting") -> None:
    """Let a command change settings of its configuration; they are in `assignments`."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help=what)


def size(text: str) -> tuple[int, int]:
    """Parse `HxW`."""
    if not (match := re.fullmatch(r"(\d+)x(\d+)", text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write HEIGHTxWIDTH, for example 480x640")
    return int(match[1]), int(match[2])
