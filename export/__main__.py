"""Command line: `crosswire export RUN --name NAME --size HxW --to DIR`, `adopt`, `inspect` and `plan-script`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from crosswire.contract import ADOPTED, PRECISIONS, TARGETS, TENSORRT_ALONE, Contract, EngineManifest, engines_beside
from crosswire.contract.atomic_write import write_text
from crosswire.contract.command_line import OneLineParser, add_renamed, run_command
from crosswire.contract.errors import CrosswireError, UsageError
from crosswire.contract.plain import to_plain
from crosswire.export.adopt.command import add_adopt
from crosswire.export.report.page import page
from crosswire.export.report.text import describe
from crosswire.export.tensorrt import builder
from crosswire.export.tensorrt.image import PLAN_BUILDER
from crosswire.training.commands.arguments import size

#: What is built of a graph, by the library that builds it.
FORMATS = {"onnx": None, "tensorrt": builder.TENSORRT, "tensorrt-rtx": builder.RTX}
SCRIPT = "build_plan.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a line on stderr that says what is wrong."""
    return run_command(_parser(), arguments, also=(builder.EngineError,))


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser: argparse.ArgumentParser = OneLineParser(
        prog="crosswire", description="Freeze trained networks into static graphs."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("export", aliases=["build"], help="freeze a run, export it and prove it")
    build.set_defaults(function=_build)
    build.add_argument("run", type=Path, help="run folder written by crosswire train")
    build.add_argument(
        "--name", required=True, help="name of the network on the server; of a retrieval, the start of two"
    )
    build.add_argument(
        "--size",
        type=size,
        metavar="HxW",
        help="of the pictures: 128x160 (default: of your folder's frames; clips and features have their own)",
    )
    build.add_argument("--to", required=True, type=Path, help="model repository to write into")
    build.add_argument("--max-batch", type=int, default=8, help="largest batch a server may form (default 8)")
    build.add_argument("--precision", choices=PRECISIONS, default="fp32", help="arithmetic of the graph (default fp32)")
    build.add_argument("--target", choices=TARGETS, help="what the graph is laid out for (default cpu)")
    build.add_argument(
        "--format",
        choices=FORMATS,
        default="onnx",
        help="tensorrt: also build a plan (needs a GPU); tensorrt-rtx: also build an engine (needs no GPU)",
    )
    build.add_argument(
        "--compute-capability",
        type=builder.capabilities,
        metavar="N,N",
        help="tensorrt-rtx: the GPUs that run the engine, for example 89,120",
    )
    build.add_argument("--version-compatible", action="store_true", help="tensorrt: newer versions may load the plan")
    build.add_argument("--calibration", type=Path, metavar="DIR", help="int8, fp8: real inputs (default: own frames)")
    build.add_argument("--calibration-frames", type=int, help="int8, fp8: how many of them (default 32)")
    build.add_argument("--max-drop", type=float, help="int8, fp8: points of mean IoU to lose (default 0.5)")
    build.add_argument("--missing-modality", action="store_true", help="also answer with one stream alone, if trained")
    add_renamed(build, "--absence", "--missing-modality")
    build.add_argument(
        "--class-indices", action="store_true", help="label images hold 0, 1, ... and not the data's numbers"
    )
    build.add_argument("--frames", type=int, help="labelled frames to score on (default 32)")
    add_adopt(commands)
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
    settings = _engine_settings(options)  # before anything slow
    from crosswire.export.build import check_request, default_size, default_target, export_run  # torch only here
    from crosswire.export.quantization.precision import Precision
    from crosswire.export.tasks.exporter import ExportRequest
    from crosswire.training.engine.run_folder import read_config, read_run

    config = read_config(options.run)
    target = options.target or default_target(config, engine=settings is not None)
    precision = Precision(
        options.precision, target, options.calibration, options.calibration_frames, options.max_drop, options.frames
    )
    request = ExportRequest(
        options.name,
        options.size or default_size(config, options.run),
        options.max_batch,
        precision,
        options.missing_modality,
        _report,
        options.class_indices,
    )
    check_request(config, options.run, request, options.to)  # before weights are read
    contracts = export_run(read_run(options.run), request, options.to)
    print("\n\n".join(map(describe, contracts)))
    folders = [options.to / contract.name for contract in contracts]
    if settings is not None:
        _report(builder.UNTRIED[settings.runtime])
        for contract, folder in zip(contracts, folders, strict=True):
            _build_engines(contract, folder, settings)
    print(f"\nwritten: {', '.join(map(str, folders))}\nnext: crosswire serve --repository {options.to}")
    return 0


def _build_engines(contract: Contract, folder: Path, settings: builder.Settings) -> None:
    """Build the engines of one network, and say where they are."""
    for engine in builder.build_engines(folder, settings):
        _report(f"written: {engine}")
    if settings.runtime == builder.RTX:
        from crosswire.export.tensorrt.engine_context import write_contexts

        write_contexts(contract, folder)


def _engine_settings(options: argparse.Namespace) -> builder.Settings | None:
    """Return what engines are built with, or None where no engine is wanted.

    Raises:
        UsageError: an option that the format does not take.
        EngineError: the library is missing, or does not build for a compute capability.
    """
    takes = {"--version-compatible": "tensorrt", "--compute-capability": "tensorrt-rtx"}
    given = {"--version-compatible": options.version_compatible, "--compute-capability": options.compute_capability}
    for option, value in given.items():
        if value and takes[option] != options.format:
            raise UsageError(f"got {option}, which --format {options.format} does not take; leave it out")
    library = FORMATS[options.format]
    if library is None:
        return None
    settings = builder.Settings(library, options.compute_capability or (), options.version_compatible)
    builder.check_settings(settings)
    builder.check_precision(options.precision, settings)
    return settings


def _inspect(options: argparse.Namespace) -> int:
    """Print and draw a contract after checking its graph and proofs."""
    contract = Contract.load(options.folder)
    graph = contract.verify(options.folder)
    latencies = {}
    timed = options.repeats > 0 and contract.precision not in TENSORRT_ALONE  # a processor computes those otherwise
    if timed and contract.run.preset != ADOPTED:  # of those there is no live network to compare with
        from crosswire.export.baselines import compare_latency  # torch is needed only here

        latencies = compare_latency(contract, graph, options.repeats)
    print(describe(contract, latencies))
    for line in _engines(contract, options.folder):
        print(line)
    target = options.to or options.folder.resolve().with_name(f"{contract.name}.html")
    write_text(target, page(contract, latencies))
    print(f"\ndrawn: {target}")
    return 0


def _plan_script(options: argparse.Namespace) -> int:
    """Put the builder of a plan beside a contract."""
    folder = options.repository / options.name
    contract = Contract.load(folder)
    contract.verify(folder)
    _check_buildable(contract, folder)
    script = folder / SCRIPT
    write_text(script, Path(builder.__file__).read_text(encoding="utf-8"))
    mounted = f"docker run --rm --gpus all -v {folder.resolve()}:/network {PLAN_BUILDER} python3 /network/{SCRIPT}"
    print(f"written: {script}\nrun it on the machine that will serve the plan: {mounted}")
    print(builder.UNTRIED[builder.TENSORRT])
    return 0


def _check_buildable(contract: Contract, folder: Path) -> None:
    """Refuse a network that no plan can be built of.

    Raises:
        EngineError: it is laid out for the CPU, or a graph holds what TensorRT does not take.
    """
    from crosswire.export.tensorrt.lint import faults_of_file

    builder.check_contract(to_plain(contract), folder)
    for graph in (contract.graph, *(variant.graph for variant in contract.variants)):
        if faults := faults_of_file(folder / graph.file):
            raise builder.EngineError(f"TensorRT would refuse {folder / graph.file}: {'; '.join(faults[:5])}")


def _engines(contract: Contract, folder: Path) -> Iterator[str]:
    """Yield a line for every engine beside the graphs of a network.

    Raises:
        CrosswireError: one of them belongs to another graph.
    """
    for graph in (contract.graph, *(variant.graph for variant in contract.variants)):
        for engine in engines_beside(folder / graph.file):
            manifest = EngineManifest.load(engine)
            if faults := manifest.faults(engine, graph.sha256):
                raise CrosswireError(f"{engine}: {'; '.join(faults)}; build it anew, or remove it and its manifest")
            batches = " to ".join(str(shapes[0]) for shapes in next(iter(manifest.profile.values()))[::2])
            yield (
                f"engine {engine.name}: {manifest.precision} of {manifest.runtime} {manifest.version} for compute "
                f"capability {', '.join(manifest.compute_capabilities)}, batch {batches}, "
                f"{engine.stat().st_size / 1e6:.1f} MB"
            )


def _report(line: str) -> None:
    """Say on stderr what is being done."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
