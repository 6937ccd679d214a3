"""The options of commands that play or label recorded images."""

from __future__ import annotations

import argparse

from crosswire.clients.inputs.recordings import LONGEST_GAP_S


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--longest-gap`, in milliseconds, and `--depth-units-per-metre`."""
    parser.add_argument(
        "--longest-gap",
        type=float,
        default=1e3 * LONGEST_GAP_S,
        metavar="MS",
        help="TUM layout: longest time between colour and depth of a pair (default: %(default)g)",
    )
    parser.add_argument(
        "--depth-units-per-metre",
        type=float,
        metavar="UNITS",
        help="what one metre counts (default: 5000 for the TUM layout, else 1000)",
    )
