"""Compares the servers of two checkouts, request by request: whether a change made small requests slower.

Both serve the same network at the same time and are asked for the same RGB-D pair, small, since what a change adds to
every request weighs most there, in blocks that take turns; which one begins changes with every round. Reported per
protocol are the medians of all requests, the median over the rounds of the ratio of the blocks' medians, and the
processor time per request of all processes of a server. Only the wire is used, so that older checkouts can be measured
with today's benchmark. Both run with this interpreter and its packages.

    python -m benchmarks.compare_checkouts BEFORE AFTER

prints a table; the last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tritonclient.grpc
import tritonclient.http
from PIL import Image

from benchmarks._record import keep

PAIR = {
    "rgb_image": (Path("demo/real/redwood_livingroom.rgb.jpg"), "JPEG"),
    "depth_image": (Path("demo/real/redwood_livingroom.depth.png"), "PNG"),
}
_WARM_UP = 100


@dataclass
class _Checkout:
    """A server that is measured.

    Attributes:
        clients: connected clients by protocol, each the module of its request classes beside it.
        process: its supervisor.
        seconds: of every request, by protocol and block.
        spent: processor seconds of all blocks, by protocol.
    """

    clients: dict[str, tuple[Any, Any]]
    process: psutil.Process
    seconds: dict[str, list[list[float]]] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def measure(self, protocol: str, pipeline: str, images: dict[str, bytes], requests: int) -> None:
        """Ask for one block, and remember what it took."""
        module, client = self.clients[protocol]
        inputs = _inputs(module, images)
        before, times = self._processor_seconds(), []
        for _ in range(requests):
            began = time.perf_counter()
            client.infer(pipeline, inputs)
            times.append(time.perf_counter() - began)
        self.seconds.setdefault(protocol, []).append(times)
        self.spent[protocol] = self.spent.get(protocol, 0.0) + self._processor_seconds() - before

    def _processor_seconds(self) -> float:
        """Return the processor time of all processes of the server so far."""
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _inputs(module: Any, images: dict[str, bytes]) -> list[Any]:
    """Return the inputs of one request by a client module's own class."""
    inputs = []
    for name, data in images.items():
        tensor = module.InferInput(name, [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[data]], np.object_))
        inputs.append(tensor)
    return inputs


def small_pair(shrink: int) -> dict[str, bytes]:
    """Return a pair of colour and depth, every so manieth pixel of one of 640 x 480."""
    pair = {}
    for name, (path, encoding) in PAIR.items():
        with Image.open(path) as image:
            file = io.BytesIO()
            Image.fromarray(np.asarray(image)[::shrink, ::shrink]).save(file, encoding)
            pair[name] = file.getvalue()
    return pair


@contextlib.contextmanager
def _served(folder: Path, repository: Path, network: str) -> Iterator[_Checkout]:
    """Serve a network by the code of a checkout for as long as a block runs."""
    command = [sys.executable, "-m", "crosswire", "serve", "--json", "--repository", str(repository)]
    command += ["--network", network, "--http-port", "0", "--grpc-port", "0", "--parent", str(os.getpid())]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            clients = {
                name: (module, module.InferenceServerClient(said[f"{name}_url"].partition("://")[2]))
                for name, module in (("grpc", tritonclient.grpc), ("http", tritonclient.http))
            }
            yield _Checkout(clients, psutil.Process(process.pid))
        finally:
            process.terminate()


def _commit(folder: Path) -> str:
    """Return the commit of a checkout, with `-dirty` where files differ from it; an empty text where git is silent."""
    asked = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(asked, capture_output=True, text=True).stdout.strip()


def compare(
    folders: tuple[Path, Path], repository: Path, network: str, images: dict[str, bytes], rounds: int, requests: int
) -> dict[str, dict[str, Any]]:
    """Measure two checkouts in turns; returns per protocol p50, processor time, and the second one's shares of both."""
    figures = {}
    with ExitStack() as stack:
        checkouts = [stack.enter_context(_served(folder, repository, network)) for folder in folders]
        for protocol in ("grpc", "http"):
            for checkout in checkouts:
                checkout.measure(protocol, f"{network}_image", images, _WARM_UP)
                checkout.seconds[protocol], checkout.spent[protocol] = [], 0.0
            for turn in range(rounds):
                for checkout in checkouts[:: -1 if turn % 2 else 1]:
                    checkout.measure(protocol, f"{network}_image", images, requests)
            figures[protocol] = _figures(protocol, *checkouts)
    return figures


def _figures(protocol: str, before: _Checkout, after: _Checkout) -> dict[str, Any]:
    """Return what was measured over one protocol, milliseconds."""
    blocks = [[statistics.median(block) for block in one.seconds[protocol]] for one in (before, after)]
    p50 = [statistics.median(chain.from_iterable(one.seconds[protocol])) * 1e3 for one in (before, after)]
    count = sum(map(len, before.seconds[protocol]))
    processor = [one.spent[protocol] / count * 1e3 for one in (before, after)]
    return {
        "p50_ms": [round(one, 3) for one in p50],
        "p50_ratio": round(statistics.median(second / first for first, second in zip(*blocks, strict=True)), 4),
        "processor_ms": [round(one, 3) for one in processor],
        "processor_ratio": round(processor[1] / processor[0], 4),
    }


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="the servers of two checkouts, asked for the same pair in turns")
    parser.add_argument("before", type=Path, help="folder of the checkout to compare with")
    parser.add_argument("after", type=Path, help="folder of the checkout to judge")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="exported networks")
    parser.add_argument("--network", default="rooms_cen", help="network to ask (default: rooms_cen)")
    parser.add_argument("--shrink", type=int, default=4, help="send every so manieth pixel of 640 x 480 (default 4)")
    parser.add_argument("--rounds", type=int, default=40, help="blocks per checkout and protocol (default 40)")
    parser.add_argument("--requests", type=int, default=40, help="requests per block (default 40)")
    wanted = parser.parse_args()
    folders = wanted.before.absolute(), wanted.after.absolute()
    repository = wanted.repository.absolute()
    figures = compare(folders, repository, wanted.network, small_pair(wanted.shrink), wanted.rounds, wanted.requests)
    print("          p50 before    after   ratio   processor before    after   ratio")
    for protocol, one in figures.items():
        (p50, p50_after), (processor, processor_after) = one["p50_ms"], one["processor_ms"]
        print(
            f"  {protocol:<6} {p50:10.3f} {p50_after:8.3f} {one['p50_ratio']:7.3f}"
            f"   {processor:16.3f} {processor_after:8.3f} {one['processor_ratio']:7.3f}"
        )
    keep(
        "compare_checkouts",
        {"commits": [_commit(folder) for folder in folders], "network": wanted.network, "shrink": wanted.shrink}
        | {"rounds": wanted.rounds, "requests": wanted.requests, **figures},
        again=f"python -m benchmarks.compare_checkouts BEFORE AFTER --rounds {wanted.rounds} --shrink {wanted.shrink}",
    )


if __name__ == "__main__":
    main()
