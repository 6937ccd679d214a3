"""Options that name a file per input: `--input NAME=FILE`, repeated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_named_files(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    """Declare `--input`, which gathers files by name in a `dict[str, Path]`, in the order of the command line.

    Args:
        parser: where to.
        metavar: how help and errors call a value, with the equals sign.
        help: what it is for.
    """
    parser.add_argument("--input", action=_NamedFiles, default={}, metavar=metavar, help=help)


class _NamedFiles(argparse.Action):
    """Parses one value and refuses a name that came before."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Add a file; leaves the program where the value names none or repeats a name."""
        name, equals, file = values.partition("=")
        if not (name and equals and file):
            raise argparse.ArgumentError(self, f"{values!r} is no {self.metavar}; write for example rgb=photo.jpg")
        files: dict[str, Path] = getattr(namespace, self.dest)
        if name in files:
            raise argparse.ArgumentError(self, f"{name!r} came twice, {files[name]} and {file}; name one file for it")
        setattr(namespace, self.dest, {**files, name: Path(file)})
