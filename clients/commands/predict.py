"""`predict`: pictures or a clip to files with what the server made of them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from clients.classifications import Classification
from clients.commands.connection import add_connection_options, connect
from clients.errors import InputError
from clients.files import prepare_folder
from clients.predictor import Predictor
from clients.results import SavedFiles, Segmentation, Timings
from clients.translations import Translation

_PICTURES = (".jpg", ".jpeg", ".png")


def add_to(commands: Any) -> None:
    """Declare the command.

    Args:
        commands: the collection that `ArgumentParser.add_subparsers` returns.
    """
    parser = commands.add_parser(
        "predict",
        help="ask about two pictures, a clip, or pictures by domain",
        description="RGB DEPTH: label the pixels of a pair. CLIP: say what happens in it. --input: pictures by domain.",
    )
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="RGB and DEPTH, or one CLIP")
    parser.add_argument(
        "--input",
        type=_input,
        action="append",
        default=[],
        metavar="DOMAIN=FILE",
        help="picture of one input domain of the pipeline, for example texture=FILE; repeat it for each",
    )
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one for the task)")
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
    """Ask the server and write `STEM.*` files into the folder.

    STEM is the name of the first file without its ending, and without a `.rgb` before that.
    """
    inputs = dict(options.input)
    check_files(options.files, inputs)
    prepare_folder(options.out)
    with connect(options) as predictor:
        result = _ask(predictor, options, inputs)
    first = options.files[0] if options.files else next(iter(inputs.values()))
    written = result.save(options.out, first.stem.removesuffix(".rgb"))
    if isinstance(result, Segmentation):
        assert isinstance(written, SavedFiles)
        print(as_json(result, written) if options.json else as_table(result, written))
    elif isinstance(result, Classification):
        assert isinstance(written, dict)
        print(_clip_json(result, written) if options.json else _clip_table(result, written))
    else:
        assert isinstance(written, dict)
        print(_pictures_json(result, written) if options.json else _pictures_table(result, written))


def check_files(files: list[Path], inputs: dict[str, Path]) -> None:
    """Raise `InputError` unless the files say what is asked."""
    if inputs and files:
        raise InputError(f"{files[0]} came beside --input; name every picture by --input DOMAIN=FILE")
    if not inputs and not 1 <= len(files) <= 2:
        raise InputError(f"{len(files)} files came; name RGB and DEPTH, or one CLIP, or --input DOMAIN=FILE for each")
    if len(files) == 1 and files[0].suffix.lower() in _PICTURES:
        raise InputError(f"{files[0]} came alone; name its DEPTH too, or say what it is: --input rgb={files[0]}")


def _ask(
    predictor: Predictor, options: argparse.Namespace, inputs: dict[str, Path]
) -> Segmentation | Classification | Translation:
    """Ask what the files are for."""
    units, pipeline = options.depth_units_per_metre, options.pipeline
    if len(options.files) == 1:
        return predictor.classify(options.files[0], pipeline=pipeline)
    if options.files:
        return predictor.segment(*options.files, depth_units_per_metre=units, pipeline=pipeline)
    if set(inputs) <= {"rgb", "depth"} and predictor.named_pipeline(pipeline).task == "segmentation":
        rgb, depth = inputs.get("rgb"), inputs.get("depth")
        return predictor.segment(rgb, depth, depth_units_per_metre=units, pipeline=pipeline)
    return predictor.translate(inputs, depth_units_per_metre=units, pipeline=pipeline)


def _input(text: str) -> tuple[str, Path]:
    """Parse `DOMAIN=FILE`."""
    domain, equals, file = text.partition("=")
    if not (domain and equals and file):
        raise argparse.ArgumentTypeError(f"{text!r} is no DOMAIN=FILE, for example texture=room.png")
    return domain, Path(file)


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
    lines.append(_times(result.pipeline, result.timings))
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


def _clip_table(result: Classification, files: dict[str, Path]) -> str:
    """Return the likeliest classes, what was used, the files and the time."""
    lines = [f"{name:<20} {share:6.1%}" for name, share in result.top()]
    lines.append(f"used: {' and '.join(result.modalities)}")
    lines += [f"warning: {warning}" for warning in result.warnings]
    lines += [f"wrote {path}" for path in files.values()]
    return "\n".join([*lines, _times(result.pipeline, result.timings)])


def _clip_json(result: Classification, files: dict[str, Path]) -> str:
    """Return the same as one JSON object on one line."""
    return json.dumps(
        {
            "pipeline": result.pipeline,
            "probabilities": dict(result.top(len(result.class_names))),
            "modalities": result.modalities,
            "warnings": result.warnings,
            "files": {kind: str(path) for kind, path in files.items()},
            "timings": dataclasses.asdict(result.timings),
        },
        ensure_ascii=False,
    )


def _pictures_table(result: Translation, files: dict[str, Path]) -> str:
    """Return what was made of what, the files and the time."""
    lines = [f"{name:<20} {share:6.1%}" for name, share in result.shares.items()]
    lines.append(f"made {', '.join(result.pictures)} from {' and '.join(result.streams)}")
    lines += [f"warning: {warning}" for warning in result.warnings]
    lines += [f"wrote {path}" for path in files.values()]
    return "\n".join([*lines, _times(result.pipeline, result.timings)])


def _pictures_json(result: Translation, files: dict[str, Path]) -> str:
    """Return the same as one JSON object on one line."""
    return json.dumps(
        {
            "pipeline": result.pipeline,
            "streams": result.streams,
            "shares": result.shares,
            "warnings": result.warnings,
            "files": {kind: str(path) for kind, path in files.items()},
            "timings": dataclasses.asdict(result.timings),
        },
        ensure_ascii=False,
    )


def _times(pipeline: str, times: Timings) -> str:
    """Return how long it took."""
    return f"{pipeline} answered in {times.request_ms:.0f} ms, {times.total_ms:.0f} ms in all"
