"""What every command line of the project has in common: errors of one line, and old flags that name the new ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with code 2."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


class _Renamed(argparse.Action):
    """A flag that has another name now."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> NoReturn:
        """End with the new name."""
        parser.error(f"{option_string} is now {self.const}")


def add_renamed(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Let an old flag answer with its new name; it does not show in the help."""
    parser.add_argument(old, action=_Renamed, nargs="?", const=new, help=argparse.SUPPRESS)
