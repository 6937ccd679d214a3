"""What every command line of the project has in common: running it, errors of one line, old flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from crosswire.contract.errors import CrosswireError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `ArgumentParser.add_subparsers` returns."""


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


def run_command(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, *, also: tuple[type[Exception], ...] = ()
) -> int:
    """Parse a command line and run the command that it names: what it sets as `function`.

    A mistake of the person (a `CrosswireError`) and a file that cannot be used (an `OSError`) become one line on
    stderr; every other exception is a bug and shows its traceback.

    Args:
        parser: of the command line; `function` takes the parsed options and returns an exit code, or None for 0.
        arguments: without the program's name; None takes the process's.
        also: further exceptions that a person can put right.

    Returns:
        The exit code: the command's, 2 after an error, 130 after Ctrl-C.
    """
    options = parser.parse_args(arguments)
    mistakes: tuple[type[Exception], ...] = (CrosswireError, OSError, *also)
    try:
        return int(options.function(options) or 0)
    except mistakes as error:
        print_error(error)
        return 2
    except KeyboardInterrupt:
        print_error("interrupted")
        return 130


def print_error(message: object) -> None:
    """Print an error on stderr, as one line whatever it holds."""
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
