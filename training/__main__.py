"""Command line: `python -m training COMMAND`; see `--help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from training.commands import (
    check_data,
    count,
    evaluate,
    group,
    import_cen,
    infer,
    make_data,
    presets,
    report,
    study,
    table,
    train,
)

_COMMANDS = (train, evaluate, report, study, group, presets, count, table, infer, import_cen, check_data, make_data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a line on stderr that says what is wrong."""
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # before PyTorch: long spinning stalls on busy cores, none is slow
    parser = argparse.ArgumentParser(prog="python -m training", description="Train multimodal networks.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    function: Callable[[argparse.Namespace], None] = options.function
    try:
        function(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
