"""What system shared memory between client and server could gain: the same requests with and without it, in turns.

The gateway refuses shared memory of clients, so the upper bound is measured where it cannot cost anything: on Triton's
own private socket, which the server's user alone can reach, with inputs that lie in a registered region before, so that
not even writing them there is counted. Two requests: the encoded pair of 640 x 480 that clients send to a pipeline, and
the network's own raw tensors. Reported are the medians over the rounds of ratios, with over without: of the median time
of a request, and of the processor time of client and server.

    python -m benchmarks.shared_memory

prints a table; the last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tritonclient.grpc
from numpy.typing import NDArray

from benchmarks._record import keep
from crosswire.clients.bench.inputs import SIZE, made_image
from crosswire.contract import Contract
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.running import running_servers
from crosswire.serving.wire import pack_bytes

REPOSITORY, NETWORK = Path("model_repository"), "rooms_cen"
_REGIONS = Path("/dev/shm")
_WARM_UP = 20
Tensors = Mapping[str, NDArray[Any]]


def encoded_pair() -> dict[str, NDArray[Any]]:
    """Return an encoded pair as a pipeline takes it."""
    pair = {f"{kind}_image": made_image(kind, SIZE) for kind in ("rgb", "depth")}
    return {name: np.array([[data]], np.object_) for name, data in pair.items()}


def raw_tensors() -> dict[str, NDArray[Any]]:
    """Return the network's own tensors."""
    generator = np.random.default_rng(0)
    shapes = {spec.name: spec.shape for spec in Contract.load(REPOSITORY / NETWORK).inputs}
    rgb = generator.integers(0, 256, (1, *shapes["rgb"]), dtype=np.uint8)
    return {"rgb": rgb, "depth": generator.uniform(0.5, 6, (1, *shapes["depth"])).astype(np.float32)}


def plain_inputs(tensors: Tensors) -> list[Any]:
    """Return inputs that travel in the message."""
    return [_input(name, array).set_data_from_numpy(array) for name, array in tensors.items()]


@contextlib.contextmanager
def shared_inputs(client: Any, tensors: Tensors) -> Iterator[list[Any]]:
    """Give inputs that lie in regions of shared memory, registered for as long as a block runs."""
    inputs, made = [], []
    try:
        for name, array in tensors.items():
            data = _bytes_of(array)
            path = _REGIONS / f"crosswire_bench_{os.getpid()}_{name}"
            path.touch(mode=0o600, exist_ok=False)
            made.append(path)
            path.write_bytes(data)
            client.register_system_shared_memory(path.name, f"/{path.name}", len(data))
            inputs.append(_input(name, array))
            inputs[-1].set_shared_memory(path.name, len(data))
        yield inputs
    finally:
        client.unregister_system_shared_memory()
        for path in made:
            path.unlink()


def _bytes_of(array: NDArray[Any]) -> bytes:
    """Return a tensor as it lies in memory."""
    return pack_bytes(list(array.reshape(-1))) if array.dtype == np.object_ else array.tobytes()


def _input(name: str, array: NDArray[Any]) -> Any:
    """Return an input without data."""
    kind = {"object": "BYTES", "uint8": "UINT8", "float32": "FP32"}[array.dtype.name]
    return tritonclient.grpc.InferInput(name, list(array.shape), kind)


def measure(client: Any, model: str, ways: Mapping[str, list[Any]], rounds: int, requests: int) -> dict[str, Any]:
    """Ask in turns with the inputs of every way; returns medians, and ratios of the second way over the first.

    Args:
        client: connected to Triton itself.
        model: whom to ask.
        ways: inputs by name, two of them.
        rounds: blocks of every way.
        requests: in a block.
    """
    told: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for inputs in ways.values():
        for _ in range(_WARM_UP):
            client.infer(model, inputs)
    for turn in range(rounds):
        for name in list(ways) if turn % 2 == 0 else list(ways)[::-1]:
            before, times = _processor_seconds(), []
            for _ in range(requests):
                began = time.perf_counter()
                client.infer(model, ways[name])
                times.append(time.perf_counter() - began)
            told[name].append((statistics.median(times), (_processor_seconds() - before) / requests))
    first, second = told.values()
    ratios = [(b[0] / a[0], b[1] / a[1]) for a, b in zip(first, second, strict=True)]
    return {
        "p50_ms": {name: round(1e3 * statistics.median(one[0] for one in some), 3) for name, some in told.items()},
        "p50_ratio": round(statistics.median(one[0] for one in ratios), 4),
        "p50_quartiles": [round(one, 4) for one in statistics.quantiles([one[0] for one in ratios], n=4)[::2]],
        "processor_ratio": round(statistics.median(one[1] for one in ratios), 4),
    }


def _processor_seconds() -> float:
    """Return the processor time of this process and all below it so far."""
    total = 0.0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def main() -> None:
    """Serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--requests", type=int, default=10)
    options = parser.parse_args()
    found = {}
    with EmbeddedServer(REPOSITORY, networks=[NETWORK]) as server:
        port = int(server.http_url.rpartition(":")[2])
        (run,) = (one.run for one in running_servers() if one.run.http_port == port)
        with tritonclient.grpc.InferenceServerClient(run.triton_target) as client:
            for kind, model, tensors in (
                ("encoded pair", f"{NETWORK}_image", encoded_pair()),
                ("raw tensors", NETWORK, raw_tensors()),
            ):
                with shared_inputs(client, tensors) as shared:
                    ways = {"message": plain_inputs(tensors), "shared memory": shared}
                    found[kind] = measure(client, model, ways, options.rounds, options.requests)
                found[kind]["bytes"] = sum(len(_bytes_of(array)) for array in tensors.values())
    for kind, one in found.items():
        print(f"{kind}, {one['bytes']} bytes: p50 {one['p50_ratio']} x, processor time {one['processor_ratio']} x")
    keep("shared_memory", {"rounds": options.rounds, "requests": options.requests, "found": found})


if __name__ == "__main__":
    main()
