"""`bench`: what a server can do, and how long it takes under load."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosswire.clients.access import Access
from crosswire.clients.address import Address
from crosswire.clients.batch.items import domain
from crosswire.clients.bench.analyzer_files import CONFIG, SCRIPT, Sample, write_analyzer_files
from crosswire.clients.bench.figures import figures
from crosswire.clients.bench.inputs import SIZE, bench_inputs
from crosswire.clients.bench.load import Target, closed_loop, open_target_transport
from crosswire.clients.bench.perf_analyzer import VARIABLE, find_perf_analyzer, run_perf_analyzer
from crosswire.clients.bench.report import without_curves, write_report
from crosswire.clients.bench.session import FEWEST_TURNS, Plan, measure
from crosswire.clients.bench.table import as_text
from crosswire.clients.commands.options import access_of, add_named_files, add_server_options, connect
from crosswire.clients.errors import InputError
from crosswire.clients.files import prepare_folder
from crosswire.clients.own_server import server_at
from crosswire.contract.command_line import Commands


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "bench",
        help="measure capacity and latency of a server",
        description="Closed loop for capacity, open loop (Poisson) at 50, 70 and 90 % of it for latency. The last line "
        "is JSON.",
    )
    parser.add_argument("--pipeline", metavar="NAME", help="pipeline to ask (default: the only one of the server)")
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="measure two in turns; each is a pipeline, a URL, or URL/PIPELINE",
    )
    add_named_files(parser, "NAME=FILE", "what to send (default: made-up images)")
    parser.add_argument("--size", default="x".join(map(str, SIZE)), metavar="WxH", help="of made-up images (640x480)")
    parser.add_argument("--outputs", metavar="A,B", help="tensors to ask for (default: all)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one turn (default: 10)")
    parser.add_argument("--turns", type=int, default=FEWEST_TURNS, help="repetitions of every load (default: 5)")
    parser.add_argument("--warm-up", type=float, default=5.0, metavar="SECONDS", help="before measuring (default: 5)")
    parser.add_argument("--clients", default="1,2,4,8", help="numbers of clients to try (default: 1,2,4,8)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report")
    parser.add_argument(
        "--perf-analyzer",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FILE",
        help=f"ask NVIDIA's perf_analyzer, too: the program or the wheel that holds it (default: ${VARIABLE})",
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help="measure nothing: write input data and a script for NVIDIA's perf_analyzer and a configuration for Model "
        "Analyzer, for every pipeline of the server; with --url http://...",
    )
    add_server_options(parser, several=False)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> None:
    """Measure, print a table and one JSON line; or write what others measure with."""
    try:
        plan = Plan(options.seconds, options.turns, options.warm_up, tuple(map(int, options.clients.split(","))))
    except ValueError as error:
        raise InputError(f"--clients {options.clients!r} is no list of numbers; write it like 1,2,4,8") from error
    if options.write is not None:
        return _write(options, plan)
    program = None
    if options.perf_analyzer is not None:
        program = find_perf_analyzer(options.perf_analyzer if options.perf_analyzer.name else None)
    named = [_split(word) for word in options.compare] if options.compare else [(None, options.pipeline)]
    if options.html:
        prepare_folder(options.html.parent)
    with contextlib.ExitStack() as stack:
        default = options.url
        if default is None and any(url is None for url, _ in named):
            _tell("no --url: starting a server")
            default = stack.enter_context(server_at(None, options.repository))
        found = asyncio.run(_measure([(url or default, pipeline) for url, pipeline in named], plan, program, options))
    print(as_text(found))
    if options.html:
        write_report(options.html, found)
        print(f"wrote {options.html}")
    print(json.dumps({"benchmark": "crosswire.clients.bench", **without_curves(found)}))


def _write(options: argparse.Namespace, plan: Plan) -> None:
    """Write files for NVIDIA's tools, for one pipeline or for all that can be asked."""
    if options.url is None or "," in options.url:
        raise InputError("--write is for one running server; name it: --url http://HOST:PORT")
    with connect(options) as predictor:
        named = options.pipeline is not None
        pipelines = [predictor.named_pipeline(options.pipeline)] if named else list(predictor.pipelines())
    samples = []
    for pipeline in pipelines:
        known = {name for tensor in pipeline.inputs for name in (tensor.name, domain(tensor))}
        files = {name: path for name, path in options.input.items() if named or name in known}
        try:
            samples.append(Sample(pipeline.name, bench_inputs(pipeline, files, _size(options.size))))
        except InputError as error:
            if named:
                raise
            _tell(f"{pipeline.name} is left out: {error}")
    write_analyzer_files(options.write, Address.parse(options.url), samples, plan.clients)
    print(f"{options.write}: {', '.join(sample.pipeline for sample in samples)}")
    print(f"next: PERF_ANALYZER=perf_analyzer sh {options.write / SCRIPT}")
    print(f"      model-analyzer profile --config-file {options.write / CONFIG}")


async def _measure(
    named: Sequence[tuple[str, str | None]], plan: Plan, program: Path | None, options: argparse.Namespace
) -> dict[str, Any]:
    targets = [await asyncio.to_thread(_target, url, pipeline, options) for url, pipeline in named]
    if len({target.name for target in targets}) < len(targets):
        targets = [dataclasses.replace(target, name=f"{target.pipeline} at {target.url}") for target in targets]
    try:
        found = await measure(targets, plan, _tell)
        if program is not None:
            found["perf_analyzer"] = await _second_opinion(program, targets[0], found["targets"][0]["clients"], plan)
        return found
    finally:
        for target in targets:
            await target.transport.close()


def _target(url: str, pipeline: str | None, options: argparse.Namespace) -> Target:
    """Ask a server about a pipeline and prepare what it gets."""
    if "," in url:
        raise InputError(f"{url!r} names several servers; name one, or two to be measured in turns with --compare")
    with connect(options, url) as predictor:
        found = predictor.named_pipeline(pipeline)
    inputs = bench_inputs(found, options.input, _size(options.size))
    offered = tuple(tensor.name for tensor in found.outputs)
    wanted = tuple(options.outputs.split(",")) if options.outputs else offered
    if unknown := [name for name in wanted if name not in offered]:
        raise InputError(f"pipeline {found.name!r} has no output {unknown[0]!r}; it has: {', '.join(offered)}")
    transport = open_target_transport(url, Access.of(**access_of(options)))
    return Target(found.name, url, found.name, found.steps, inputs, wanted, options.timeout, transport)


def _size(text: str) -> tuple[int, int]:
    """Read `WxH`."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 8 and int(height) >= 8):
        raise InputError(f"--size {text!r} is no WIDTHxHEIGHT of 8 pixels or more; write for example 640x480")
    return int(width), int(height)


async def _second_opinion(program: Path, target: Target, clients: int, plan: Plan) -> dict[str, Any]:
    """Let perf_analyzer and our own closed loop measure the same, ours before and after."""
    _tell("perf_analyzer")
    ours = [await closed_loop(target, clients, plan.seconds)]
    theirs = await asyncio.to_thread(run_perf_analyzer, program, target, clients, plan.seconds)
    ours.append(await closed_loop(target, clients, plan.seconds))
    own = figures(ours, 1)["per_second"]
    return {**theirs, "ours_per_second": own, "ours_over_theirs": round(own / theirs["per_second"], 4)}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _split(word: str) -> tuple[str | None, str | None]:
    """Return address and pipeline of `URL/PIPELINE`, `URL` or `PIPELINE`."""
    if "://" not in word:
        return None, word
    scheme, _, rest = word.partition("://")
    place, _, pipeline = rest.partition("/")
    return f"{scheme}://{place}", pipeline or None
