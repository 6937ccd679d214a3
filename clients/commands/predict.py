"""`predict`: images or a clip to files with what the server made of them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosswire.clients.commands.options import add_camera_option, add_connection_options, add_named_files, connect
from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder
from crosswire.clients.inputs.images import IMAGE_ENDINGS
from crosswire.clients.inputs.units import units_of
from crosswire.clients.session import Request, check_inputs
from crosswire.clients.sync_client import Predictor
from crosswire.clients.tasks.result import Result
from crosswire.clients.tasks.retrieval import FEATURES, Embedding, features_request
from crosswire.clients.tasks.segmentation import TASK, Segmentation
from crosswire.clients.tasks.translation import TASK as TRANSLATION
from crosswire.contract.command_line import Commands
from crosswire.contract.wire_names import CAMERA, DEPTH, DEPTH_UNITS, RGB
from crosswire.media.depth_files import DEPTH_ENDINGS


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "predict",
        help="ask about two images, a clip, or images by domain",
        description="RGB DEPTH: label the pixels of a pair. CLIP: say what happens in it. --input: images by domain, "
        "or features: video_features=FILE.npy or image_features=FILE.npy.",
    )
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="RGB and DEPTH, or one CLIP")
    add_named_files(
        parser, "DOMAIN=FILE", "image of one input domain of the pipeline, for example texture=FILE; one for each"
    )
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one for the task)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--depth-units-per-metre",
        type=float,
        metavar="UNITS",
        help="what one metre, or one unit of other geometry, counts in the depth file (default: in whole numbers as in "
        "the network's training data, else 1000; floats are metres)",
    )
    add_camera_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    add_connection_options(parser)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> None:
    """Ask the server and write `STEM.*` files into the folder.

    STEM is the name of the first file without its ending, and without a `.rgb` before that.
    """
    check_files(options.files, options.input)
    prepare_folder(options.out)
    with connect(options) as predictor:
        result = _ask(predictor, options)
        note = _units_note(predictor, options, result)
    first = options.files[0] if options.files else next(iter(options.input.values()))
    files = result.save(options.out, first.stem.removesuffix(".rgb"))
    print(as_json(result, files) if options.json else as_text(result, files, note))


def check_files(files: list[Path], inputs: dict[str, Path]) -> None:
    """Raise `InputError` unless the files say what is asked."""
    if inputs and files:
        raise InputError(f"{files[0]} came beside --input; name every image by --input DOMAIN=FILE")
    if not inputs and not 1 <= len(files) <= 2:
        raise InputError(f"{len(files)} files came; name RGB and DEPTH, or one CLIP, or --input DOMAIN=FILE for each")
    if len(files) == 1 and files[0].suffix.lower() in {*IMAGE_ENDINGS, *DEPTH_ENDINGS}:
        raise InputError(f"{files[0]} came alone; name its DEPTH too, or say what it is: --input rgb={files[0]}")


def _ask(predictor: Predictor, options: argparse.Namespace) -> Result:
    """Ask what the files are for."""
    pipeline, inputs = options.pipeline, options.input
    if named := [name for name in inputs if name in FEATURES]:
        return predictor.ask(_features(named[0], options))
    if len(options.files) == 1:
        if options.camera is not None:
            raise InputError("--camera came beside a clip; name RGB and DEPTH, or leave it out")
        return predictor.classify(options.files[0], pipeline=pipeline)
    how: dict[str, Any] = {
        DEPTH_UNITS: options.depth_units_per_metre,
        CAMERA: options.camera,
        "pipeline": pipeline,
    }
    if options.files:
        return predictor.segment(*options.files, **how)
    pair = set(inputs) <= {RGB, DEPTH}
    if pair or pipeline is not None:
        found = predictor.named_pipeline(pipeline)
        check_inputs(found, inputs)
        pair = pair and found.task == TASK
    if pair:
        rgb, depth = inputs.get(RGB), inputs.get(DEPTH)
        return predictor.segment(rgb, depth, **how)
    return predictor.translate(inputs, **how)


def _features(name: str, options: argparse.Namespace) -> Request[Embedding]:
    """Read a file of features and prepare the request.

    Raises:
        InputError: something came beside it, or it holds no array.
    """
    path = options.input[name]
    for what, given in (
        ("another --input", len(options.input) > 1),
        ("--camera", options.camera is not None),
        ("--depth-units-per-metre", options.depth_units_per_metre is not None),
    ):
        if given:
            raise InputError(f"{what} came beside --input {name}={path}; leave it out")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an array ({error}); write it with numpy.save") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays; write the one of features with numpy.save")
    return features_request(name, array, pipeline=options.pipeline)


def _units_note(predictor: Predictor, options: argparse.Namespace, result: Result) -> str:
    """Return which unit depth was read in, and who says so; empty where none was sent."""
    if DEPTH not in options.input and len(options.files) < 2:
        return ""
    task = TASK if isinstance(result, Segmentation) else TRANSLATION
    return units_of(options.depth_units_per_metre).note(predictor.pipeline(options.pipeline, task=task))


def as_text(result: Result, files: Mapping[str, Path], note: str = "") -> str:
    """Return what was found, what the server warns of, the unit of depth, the files and the time."""
    lines = [note] if note else []
    lines += [f"warning: {warning}" for warning in result.warnings]
    lines += [f"wrote {path}" for path in files.values()]
    times = result.timings
    lines.append(f"{result.pipeline} answered in {times.request_ms:.0f} ms, {times.total_ms:.0f} ms in all")
    return "\n".join([*result.as_lines(), *lines])


def as_json(result: Result, files: Mapping[str, Path]) -> str:
    """Return the same as one JSON object on one line."""
    said = {
        "pipeline": result.pipeline,
        **result.figures(),
        "warnings": result.warnings,
        "files": {kind: str(path) for kind, path in files.items()},
        "timings": dataclasses.asdict(result.timings),
    }
    return json.dumps(said, ensure_ascii=False)
