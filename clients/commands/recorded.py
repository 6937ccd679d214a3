"""The options of commands that play or label recorded images."""

from __future__ import annotations

import argparse
from typing import Any

from crosswire.clients.inputs.clock import SECONDS_PER
from crosswire.clients.inputs.recordings import AUTO, LONGEST_GAP_S
from crosswire.contract.wire_names import DEPTH_UNITS


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--longest-gap`, in milliseconds, `--offset`, `--stamp-unit` and `--depth-units-per-metre`."""
    parser.add_argument(
        "--longest-gap",
        type=float,
        default=1e3 * LONGEST_GAP_S,
        metavar="MS",
        help="TUM layout: longest time between colour and depth of a pair (default: %(default)g)",
    )
    parser.add_argument(
        "--offset",
        type=_offset,
        default=0.0,
        metavar="SECONDS",
        help=f"TUM layout: added to the time stamps of depth; {AUTO} finds the shift that pairs best (default: 0)",
    )
    parser.add_argument(
        "--stamp-unit",
        choices=(AUTO, *SECONDS_PER),
        default=AUTO,
        help="TUM layout: what time stamps count (default: what they look like)",
    )
    parser.add_argument(
        "--depth-units-per-metre",
        type=float,
        metavar="UNITS",
        help="what one metre counts (default: 5000 for the TUM layout, else 1000)",
    )


def recording_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the same options as arguments of `predict_folder` and `stream`."""
    return {
        "longest_gap_s": options.longest_gap / 1e3,
        "offset": options.offset,
        "stamp_unit": options.stamp_unit,
        DEPTH_UNITS: options.depth_units_per_metre,
    }


def _offset(text: str) -> float | str:
    """Return seconds, or the word for those that are found."""
    try:
        return AUTO if text == AUTO else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected seconds or {AUTO}") from error
