"""`batch --engine ray` and `batch --engine in-process`: a batch without a server, by workers that hold the graph."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path

from crosswire.clients.batch.run import WINDOW
from crosswire.clients.commands.options import access_of, add_request_options
from crosswire.clients.inputs.cameras import read_camera
from crosswire.clients.own_server import REPOSITORY
from crosswire.clients.recorded.open import RecordedOptions
from crosswire.contract.command_line import Commands
from crosswire.offline.engines.engine import Engine, InProcessEngine
from crosswire.offline.pipelines import PipelineSource, served
from crosswire.offline.run import PART, OfflineOptions, run_offline

RAY, IN_PROCESS = "ray", "in-process"


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "batch",
        help="ask about every item of a source without a server; resumes after any kind of end",
        description="Have workers that hold the exported graph answer every item of SRC, and write "
        "DST/labels/ITEM.png (one folder per image that the pipeline gives) and a table of Parquet files, DST/table. "
        "The same command again goes on where it was.",
    )
    parser.add_argument(
        "source",
        metavar="SRC",
        help="folder with rgb/ and depth/ (equal stems) or clips, Parquet files, or WebDataset archives; a path, or an "
        "address like s3://bucket/folder",
    )
    parser.add_argument("results", metavar="DST", help="folder for the results; a path or an address")
    parser.add_argument("--engine", choices=(RAY, IN_PROCESS), required=True, help="what runs the workers")
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one)")
    parser.add_argument("--overlay", action="store_true", help="write overlays too")
    parser.add_argument(
        "--again", action="store_true", help="do every item that failed again, even if its files did not change"
    )
    parser.add_argument(
        "--depth-units-per-metre",
        type=float,
        metavar="UNITS",
        help="what one metre counts (default: as SRC's manifest.json or the network's training data say, else 1000)",
    )
    parser.add_argument(
        "--camera", type=Path, metavar="FILE", help="calibration by which depth is registered to colour"
    )
    parser.add_argument(
        "--part",
        type=int,
        default=PART,
        metavar="N",
        help="items that are committed together, and done again when their worker dies (default: %(default)s)",
    )
    _add_ray_options(parser)
    _add_pipeline_options(parser)
    parser.set_defaults(function=run)


def _add_ray_options(parser: argparse.ArgumentParser) -> None:
    """Declare where Ray runs, and its workers."""
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="ray: HOST:PORT of a cluster's head, or auto on one of its machines (default: this machine alone)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="ray: how many workers (default: as many as fit)")
    parser.add_argument(
        "--worker-cores", type=int, default=1, metavar="N", help="ray: cores of each worker (default: %(default)s)"
    )
    parser.add_argument(
        "--worker-gpus", type=float, default=0.0, metavar="N", help="ray: GPUs of each worker, also a part of one"
    )


def _add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    """Declare who is asked."""
    parser.add_argument(
        "--url",
        help="ask servers instead of holding the graph: grpc://HOST:PORT or http://HOST:PORT, several with commas",
    )
    parser.add_argument(
        "--window",
        type=int,
        default=WINDOW,
        metavar="N",
        help="with --url: most requests of one worker in flight (default: %(default)s)",
    )
    parser.add_argument(
        "--repository",
        type=Path,
        default=REPOSITORY,
        metavar="DIR",
        help="without --url: exported networks, on this machine (default: %(default)s)",
    )
    add_request_options(parser)


def run(options: argparse.Namespace) -> int:
    """Run the batch; return 0, or 1 if an item failed."""
    reading = RecordedOptions(camera=read_camera(options.camera), units_per_metre=options.depth_units_per_metre)
    todo = OfflineOptions(options.overlay, options.part, options.again, reading)
    with redirect_stdout(sys.stderr):  # what Ray has to say of its nodes is no result
        engine = _engine(options)
        try:
            outcome = run_offline(options.source, options.results, _pipeline(options), engine, todo, sys.stderr)
        finally:
            engine.close()
    print(outcome.as_text())
    return 1 if outcome.failed else 0


def _engine(options: argparse.Namespace) -> Engine:
    """Return what runs the workers."""
    if options.engine == IN_PROCESS:
        return InProcessEngine()
    from crosswire.offline.engines.ray_engine import RayEngine, RayOptions

    return RayEngine(RayOptions(options.address, options.workers, options.worker_cores, options.worker_gpus))


def _pipeline(options: argparse.Namespace) -> PipelineSource:
    """Return who is asked."""
    if options.url is not None:
        access = access_of(options)
        ca = None if access["ca"] is None else str(access["ca"])
        return served(
            options.url,
            options.pipeline,
            window=options.window,
            timeout=options.timeout,
            api_key=access["api_key"],
            ca=ca,
        )
    from crosswire.offline.exported import exported

    return exported(options.repository, options.pipeline)
