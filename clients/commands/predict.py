"""`predict`: one pair of pictures to labels, overlay and summary."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from clients.commands.connection import add_connection_options, connect
from clients.files import prepare_folder
from clients.results import SavedFiles, Segmentation


def add_to(commands: Any) -> None:
    """Declare the command.

    Args:
        commands: the collection that `ArgumentParser.add_subparsers` returns.
    """
    parser = commands.add_parser("predict", help="label the pixels of a colour and a depth picture")
    parser.add_argument("rgb", type=Path, metavar="RGB", help="colour picture, JPEG or PNG")
    parser.add_argument("depth", type=Path, metavar="DEPTH", help="depth picture, 16-bit PNG; 0 is no reading")
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one of the server)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--depth-units-per-metre",
        type=float,
        metavar="UNITS",
        help="what one metre counts in the depth picture (default: 1000, millimetres)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    add_connection_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Ask the server and write `STEM.labels.png`, `STEM.overlay.png` and `STEM.summary.json`.

    STEM is the name of the colour picture without `.jpg` or `.png`, and without a `.rgb` before that.
    """
    prepare_folder(options.out)
    with connect(options) as predictor:
        result = predictor.segment(
            options.rgb, options.depth, depth_units_per_metre=options.depth_units_per_metre, pipeline=options.pipeline
        )
    files = result.save(options.out, options.rgb.stem.removesuffix(".rgb"))
    print(as_json(result, files) if options.json else as_table(result, files))


def as_table(result: Segmentation, files: SavedFiles) -> str:
    """Return what was found, largest class first, the files and the time."""
    found = sorted(((share, name) for name, share in result.shares.items() if share > 0), reverse=True)
    width = max(len("class"), *(len(name) for _, name in found))
    lines = [f"{'class':<{width}}   share  confidence"]
    for share, name in found:
        confidence = result.confidences.get(name)
        lines.append(f"{name:<{width}}  {share:6.1%}  {'-' if confidence is None else format(confidence, '.2f'):>10}")
    lines += [f"warning: {warning}" for warning in result.warnings]
    lines += [f"wrote {path}" for path in (files.labels, files.overlay, files.summary)]
    times = result.timings
    lines.append(f"{result.pipeline} answered in {times.request_ms:.0f} ms, {times.total_ms:.0f} ms in all")
    return "\n".join(lines)


def as_json(result: Segmentation, files: SavedFiles) -> str:
    """Return the same as one JSON object on one line."""
    return json.dumps(
        {
            "pipeline": result.pipeline,
            "shares": result.shares,
            "confidences": result.confidences,
            "mean_confidence": result.mean_confidence,
            "warnings": result.warnings,
            "files": {kind: str(path) for kind, path in dataclasses.asdict(files).items()},
            "timings": dataclasses.asdict(result.timings),
        },
        ensure_ascii=False,
    )
