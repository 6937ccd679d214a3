"""Command line: `crosswire export RUN --name NAME --size HxW --to DIR`, `inspect` and `plan-script`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from crosswire.contract import PRECISIONS, TARGETS, Contract
from crosswire.contract.atomic_write import write_text
from crosswire.contract.command_line import OneLineParser, add_renamed, run_command
from crosswire.contract.errors import UsageError
from crosswire.export.report.page import page
from crosswire.export.report.text import describe
from crosswire.export.tensorrt import plan
from crosswire.training.commands.arguments import size

FORMATS = ("onnx", "tensorrt")
SCRIPT = "build_plan.py"
IMAGE = "nvcr.io/nvidia/tensorrt:25.10-py3"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a line on stderr that says what is wrong."""
    return run_command(_parser(), arguments, also=(plan.PlanError,))


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = OneLineParser(prog="crosswire", description="Freeze trained networks into static graphs.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("export", aliases=["build"], help="freeze a run, export it and prove it")
    build.set_defaults(function=_build)
    build.add_argument("run", type=Path, help="run folder written by crosswire train")
    build.add_argument("--name", required=True, help="name of the network on the server")
    build.add_argument("--size", type=size, metavar="HxW", help="size of the pictures: 128x160; clips have their own")
    build.add_argument("--to", required=True, type=Path, help="model repository to write into")
    build.add_argument("--max-batch", type=int, default=8, help="largest batch a server may form (default 8)")
    build.add_argument("--precision", choices=PRECISIONS, default="fp32", help="arithmetic of the graph (default fp32)")
    build.add_argument("--target", choices=TARGETS, help="what the graph is laid out for (default cpu)")
    build.add_argument("--format", choices=FORMATS, default="onnx", help="tensorrt: also build a plan (needs a GPU)")
    build.add_argument("--version-compatible", action="store_true", help="tensorrt: newer versions may load the plan")
    build.add_argument("--calibration", type=Path, metavar="DIR", help="int8: real inputs (default: training frames)")
    build.add_argument("--calibration-frames", type=int, help="int8: how many of them (default 32)")
    build.add_argument("--max-drop", type=float, help="int8: points of mean IoU to lose (default 0.5)")
    build.add_argument("--missing-modality", action="store_true", help="also answer with one stream alone, if trained")
    add_renamed(build, "--absence", "--missing-modality")
    build.add_argument(
        "--class-indices", action="store_true", help="label images hold 0, 1, ... and not the data's numbers"
    )
    build.add_argument("--frames", type=int, help="labelled frames to score on (default 32)")
    inspect = commands.add_parser("inspect", help="print and draw what a contract promises and proves, and time it")
    inspect.set_defaults(function=_inspect)
    inspect.add_argument("folder", type=Path, help="network's folder, for example model_repository/rooms_cen")
    inspect.add_argument("--to", type=Path, metavar="FILE", help="page to draw (default: NAME.html beside the folder)")
    inspect.add_argument("--repeats", type=int, default=5, help="timed calls; 0 times nothing (default 5)")
    script = commands.add_parser("plan-script", help="write the script that builds a TensorRT plan in the container")
    script.set_defaults(function=_plan_script)
    script.add_argument("name", help="name of the network")
    script.add_argument("--repository", type=Path, default=Path("model_repository"), help="default: model_repository")
    return parser


def _build(options: argparse.Namespace) -> int:
    """Export a run."""
    with_plan = options.format == "tensorrt"
    if with_plan:
        plan.load_tensorrt()  # before anything slow
    elif options.version_compatible:
        raise UsageError("got --version-compatible, which --format onnx does not take; leave it out")
    from crosswire.export.build import check_request, default_target, export_run  # torch only here
    from crosswire.export.quantization.precision import Precision
    from crosswire.export.tasks.exporter import ExportRequest
    from crosswire.training.engine.run_folder import read_config, read_run

    config = read_config(options.run)
    target = options.target or default_target(config, options.run, plan=with_plan)
    precision = Precision(
        options.precision, target, options.calibration, options.calibration_frames, options.max_drop, options.frames
    )
    request = ExportRequest(
        options.name,
        options.size,
        options.max_batch,
        precision,
        options.missing_modality,
        _report,
        options.class_indices,
    )
    check_request(config, options.run, request, options.to)  # before weights are read
    contract = export_run(read_run(options.run), request, options.to)
    print(describe(contract))
    if with_plan:
        _report(plan.UNTRIED)
        plan.build_plans(options.to / options.name, version_compatible=options.version_compatible)
    print(f"\nwritten: {options.to / options.name}\nnext: crosswire serve --repository {options.to}")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    """Print and draw a contract after checking its graph and proofs."""
    contract = Contract.load(options.folder)
    graph = contract.verify(options.folder)
    latencies = {}
    if options.repeats > 0:
        from crosswire.export.baselines import compare_latency  # torch is needed only here

        latencies = compare_latency(contract, graph, options.repeats)
    print(describe(contract, latencies))
    target = options.to or options.folder.resolve().with_name(f"{contract.name}.html")
    write_text(target, page(contract, latencies))
    print(f"\ndrawn: {target}")
    return 0


def _plan_script(options: argparse.Namespace) -> int:
    """Put the builder of a plan beside a contract."""
    folder = options.repository / options.name
    contract = Contract.load(folder)
    contract.verify(folder)
    script = folder / SCRIPT
    write_text(script, Path(plan.__file__).read_text(encoding="utf-8"))
    mounted = f"docker run --rm --gpus all -v {folder.resolve()}:/network {IMAGE} python3 /network/{SCRIPT}"
    print(f"written: {script}\nrun it on the machine that will serve the plan: {mounted}\n{plan.UNTRIED}")
    return 0


def _report(line: str) -> None:
    """Say on stderr what is being done."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
