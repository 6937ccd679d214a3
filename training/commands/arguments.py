"""What the commands share on the command line."""

from __future__ import annotations

import argparse
import re


def add_settings(parser: argparse.ArgumentParser, what: str = "change a setting") -> None:
    """Let a command change settings of its configuration; they are in `assignments`."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments", help=what)


def size(text: str) -> tuple[int, int]:
    """Parse `HxW`, 1 or more each."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or not int(match[1]) or not int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write HEIGHTxWIDTH, for example 480x640")
    return int(match[1]), int(match[2])
