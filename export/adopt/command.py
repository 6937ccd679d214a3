"""Command line: `crosswire adopt MODEL.onnx --task TASK --name NAME --to DIR`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crosswire.contract import TARGETS
from crosswire.contract.atomic_write import write_text
from crosswire.contract.command_line import Commands
from crosswire.contract.errors import UsageError
from crosswire.export.adopt.description import TASKS
from crosswire.training.commands.arguments import size

if TYPE_CHECKING:
    from crosswire.export.adopt.prepare import Prepared
    from crosswire.export.adopt.proof.samples import Sample


def add_adopt(commands: Commands) -> None:
    """Add the command."""
    adopt = commands.add_parser("adopt", help="serve a graph that somebody else made: ONNX in, a network of ours out")
    adopt.set_defaults(function=run)
    adopt.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL.onnx", help="the graph, its external data beside it"
    )
    adopt.add_argument("--module", metavar="PACKAGE:FUNCTION", help="instead: what returns a PyTorch module")
    adopt.add_argument("--weights", type=Path, metavar="FILE", help="of the module (default: what the function loads)")
    adopt.add_argument("--torchscript", type=Path, metavar="FILE", help="instead: a script of torch.jit.save")
    adopt.add_argument("--task", choices=TASKS, help="what it does (default: what the description says)")
    adopt.add_argument("--name", help="name of the network on the server")
    adopt.add_argument("--to", type=Path, help="model repository to write into")
    adopt.add_argument("--describe", type=Path, metavar="FILE.toml", help="what the graph wants and gives")
    adopt.add_argument("--preset", metavar="WORD", help="description of a well-known export")
    adopt.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="one field of the description: rgb.scale=0.0039, depth.unit=mm, output.kind=logits",
    )
    adopt.add_argument("--output", metavar="NAME", help="output of the graph that counts, where it has several")
    adopt.add_argument("--classes", type=Path, metavar="FILE", help="class names, one per line")
    adopt.add_argument("--size", type=size, metavar="HxW", help="of the pictures, where the graph takes several")
    adopt.add_argument("--seconds", type=float, metavar="S", help="of a clip, where the graph takes any number")
    adopt.add_argument("--max-batch", type=int, default=8, help="largest batch a server may form (default 8)")
    adopt.add_argument(
        "--samples", type=Path, metavar="DIR", help="real inputs to prove it on: rgb/ and depth/ in it; or clips"
    )
    adopt.add_argument(
        "--evaluate",
        type=Path,
        metavar="DIR",
        help="labelled data: rgb/, depth/ and labels/ in it; or a folder of clips per class",
    )
    adopt.add_argument("--frames", type=int, default=16, help="most files of each that are read (default 16)")
    adopt.add_argument(
        "--depth-units", type=float, default=1000.0, metavar="N", help="one metre in them (default 1000)"
    )
    adopt.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="arithmetic (default fp32)")
    adopt.add_argument("--target", choices=TARGETS, default="cpu", help="what the graph is laid out for (default cpu)")
    adopt.add_argument("--write-description", type=Path, metavar="FILE.toml", help="write the description filled in")
    adopt.add_argument("--dry-run", action="store_true", help="print the description filled in, and stop")


def run(options: argparse.Namespace) -> int:
    """Adopt a graph, or a module or a script whose graph is written first."""
    given = [one for one in (options.model, options.module, options.torchscript) if one is not None]
    if len(given) != 1:
        raise UsageError(f"got {len(given)} networks; name one: MODEL.onnx, or --module, or --torchscript")
    if options.weights is not None and options.module is None:
        raise UsageError("got --weights without --module; an ONNX graph and a script hold their own")
    if options.model is not None:
        return _run(options)
    from crosswire.export.adopt.described import said_by
    from crosswire.export.from_torch import graph_of_module, graph_of_torchscript

    with tempfile.TemporaryDirectory(prefix="adopt-") as folder:
        options.model = Path(folder) / "model.onnx"
        if options.module is not None:
            graph_of_module(options.module, options.weights, said_by(options), options.model)
        else:
            graph_of_torchscript(options.torchscript, said_by(options), options.model)
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Adopt a graph."""
    if not options.dry_run and (lacking := [f"--{key}" for key in ("name", "to") if getattr(options, key) is None]):
        raise UsageError(f"got no {' and no '.join(lacking)}; add them, or look first with --dry-run")
    from crosswire.export.adopt.adopt import AdoptRequest, adopt  # onnx only here
    from crosswire.export.adopt.described import described_by
    from crosswire.export.adopt.graphs.source import read_graph
    from crosswire.export.adopt.prepare import prepare
    from crosswire.export.adopt.toml_text import to_toml
    from crosswire.export.report.text import describe

    source = read_graph(options.model)
    prepared = prepare(source, described_by(options, source, report), options.size, options.seconds)
    text = to_toml(prepared.description)
    print(text)
    for remark in prepared.answer.remarks:
        report(f"note: {remark}")
    if options.write_description is not None:
        write_text(options.write_description, text)
        report(f"written: {options.write_description}")
    if options.dry_run:
        return 0
    request = AdoptRequest(
        options.name,
        options.max_batch,
        options.precision,
        options.target,
        _samples(options, options.samples, prepared),
        _samples(options, options.evaluate, prepared, labelled=True),
        report,
    )
    print(describe(adopt(prepared, request, options.to)))
    print(f"\nwritten: {options.to / options.name}\nnext: crosswire serve --repository {options.to}")
    return 0


def _samples(
    options: argparse.Namespace, folder: Path | None, prepared: Prepared, *, labelled: bool = False
) -> Sequence[Sample]:
    """Return the user's files of a folder; none where no folder was named."""
    from crosswire.export.adopt.prepare import CLASSIFICATION
    from crosswire.export.adopt.proof.clip_samples import read_clips, read_labelled_clips
    from crosswire.export.adopt.proof.samples import read_samples

    if folder is None:
        return ()
    if prepared.description.task == CLASSIFICATION:
        if labelled:
            return read_labelled_clips(folder, prepared.inputs, options.frames, prepared.answer.classes)
        return read_clips(folder, prepared.inputs, options.frames)
    return read_samples(folder, prepared.inputs, options.frames, units=options.depth_units, labelled=labelled)


def report(line: str) -> None:
    """Say on stderr what is being done."""
    print(line, file=sys.stderr, flush=True)
