"""Compares the served pipeline with a bare loop in one process: pairs of pictures per second, at 1 and at 4 clients.

The same JPEG and 16-bit PNG pair (640x480) goes through the same decode, the same ONNX Runtime session settings and the
same rendering on the same cores. *Bare* is threads in this process that share one session: no server, no wire. *Served*
is threads in this process that ask a server of its own through gRPC: client, gateway and Triton all count. *Direct*
leaves out the gateway. All are measured in turns, so that a busy neighbour disturbs all, and rounds in which other
virtual machines took more than a fiftieth of the cores are repeated: what waits for a processor that was taken away
waits longer the more processes it passes through. Reported are medians over the rounds, the median of their ratios, and
the processor time per request of all processes together. First all steps of the pipeline run in one process, as they
do without a GPU unless told otherwise, then in one each (`apart` in the JSON).

The network is a stand-in: as many convolutions on 480x640 as take about 45 ms on all cores here, with random weights
and the tensors of a segmentation network, because the time of the network decides how much the rest matters.
``--network`` measures one of the repository instead. Run it with ``python -m benchmarks.serving``; the last line is
JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import queue
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import tritonclient.grpc
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from benchmarks._record import keep
from crosswire.contract import Contract, PipelineDescription, TensorSpec, sha256_of
from crosswire.contract.wire_names import DEFAULT_UNITS_PER_METRE
from crosswire.serving.config.gpu import GpuSettings
from crosswire.serving.config.limits import ImageLimits
from crosswire.serving.processes.embedded import EmbeddedServer
from crosswire.serving.processes.process_table import descendants_of
from crosswire.serving.processes.running import running_servers
from crosswire.serving.repository.gpus import chosen_gpus
from crosswire.serving.steps.decode.decode_domains import decode_some
from crosswire.serving.steps.media.image_facts import ImageFacts
from crosswire.serving.steps.media.png import png_bytes
from crosswire.serving.steps.render.label_spec import LabelSpec
from crosswire.serving.steps.render.overlay_labels import overlay, visible
from crosswire.serving.steps.render.render_labels import render
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.steps.runtime.providers.first_that_runs import Opened, Wish, first_that_runs
from crosswire.serving.steps.runtime.providers.sessions import GraphFile, open_session, profile_of

PAIR = (Path("demo/real/redwood_livingroom.rgb.jpg"), Path("demo/real/redwood_livingroom.depth.png"))
_LIKE, _STAND_IN, _SIZE = Path("model_repository/rooms_cen"), "stand_in", (480, 640)
_NETWORK_MS, _TRIED_CONVOLUTIONS = 45.0, 24
_LAYOUTS = {"in_process": "[models]\nin_process = true\n", "apart": "[models]\nin_process = false\n"}
_MOST_STOLEN, _MOST_REPEATS = 0.02, 4
Work = Callable[[], None]


def stand_in(folder: Path, convolutions: int) -> str:
    """Write a network of so many 3x3 convolutions and its contract below `folder`; return its name."""

    def write(path: Path, classes: int) -> None:
        onnx.save(stand_in_graph(convolutions, classes), path)

    return like_rooms(folder, _STAND_IN, _SIZE, write).name


def like_rooms(
    folder: Path, name: str, size: tuple[int, int], write: Callable[[Path, int], None], precision: str = "fp32"
) -> Contract:
    """Write a graph below `folder`, with a contract that has the tensors, classes and colours of `rooms_cen`.

    Args:
        folder: the repository.
        name: of the network.
        size: of its pictures (H, W).
        write: writes the graph to a path, for a number of classes.
        precision: arithmetic of the graph.
    """
    like = Contract.load(_LIKE)
    path = folder / name / like.graph.file
    path.parent.mkdir(parents=True)
    write(path, len(like.classes))

    def resized(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        return tuple(dataclasses.replace(spec, shape=(*size, *spec.shape[2:])) for spec in specs)

    graph = dataclasses.replace(like.graph, sha256=sha256_of(path))
    inputs, outputs = resized(like.inputs), resized(like.outputs)
    contract = dataclasses.replace(like, name=name, inputs=inputs, outputs=outputs, graph=graph, precision=precision)
    contract.save(folder / name)
    return contract


def stand_in_graph(convolutions: int, classes: int) -> onnx.ModelProto:
    """Return the stand-in: stride 4, then so many convolutions of 32 channels, then arg-max at full size."""
    generator = np.random.default_rng(0)
    weights: dict[str, Any] = {"one": np.array([1]), "grow": np.array([1, 1, 4, 4], np.float32)}
    nodes: list[onnx.NodeProto] = []

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(source: str, index: int, channels: tuple[int, int], stride: int = 1) -> str:
        weights[f"w{index}"] = generator.normal(0, 0.05, (channels[1], channels[0], 3, 3)).astype(np.float32)
        found = add("Conv", [source, f"w{index}"], f"c{index}", strides=[stride, stride], pads=[1, 1, 1, 1])
        return add("Relu", [found], f"r{index}")

    colour = add("Transpose", [add("Cast", ["rgb"], "rgb_float", to=TensorProto.FLOAT)], "planes", perm=[0, 3, 1, 2])
    found = add("Concat", [colour, add("Unsqueeze", ["depth", "one"], "depth_plane")], "stacked", axis=1)
    found = convolve(found, 0, (4, 32), stride=4)
    for index in range(1, convolutions):
        found = convolve(found, index, (32, 32))
    labels = add("ArgMax", [convolve(found, convolutions, (32, classes))], "indices", axis=1)
    small = add("Cast", [labels], "small", to=TensorProto.FLOAT)
    plane = add("Squeeze", [add("Resize", [small, "", "grow"], "large", mode="nearest"), "one"], "plane")
    for name in ("labels", "confidence"):
        add("Cast", [plane], name, to=TensorProto.UINT8)

    def tensor(name: str, kind: int, *more: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, ["N", *_SIZE, *more])

    inputs = [tensor("rgb", TensorProto.UINT8, 3), tensor("depth", TensorProto.FLOAT)]
    outputs = [tensor(name, TensorProto.UINT8) for name in ("labels", "confidence")]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, _STAND_IN, inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def sized(milliseconds: float) -> int:
    """Return how many convolutions of the stand-in take so long on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in(Path(folder), _TRIED_CONVOLUTIONS)
        contract = Contract.load(Path(folder) / _STAND_IN)
        session = open_session(Path(folder) / _STAND_IN / contract.graph.file, contract.graph.sha256)
    zeros = {"rgb": np.zeros((1, *_SIZE, 3), np.uint8), "depth": np.zeros((1, *_SIZE), np.float32)}
    times = []
    for _ in range(20):
        began = time.perf_counter()
        session.run(["labels"], zeros)
        times.append((time.perf_counter() - began) * 1e3)
    return max(1, round(_TRIED_CONVOLUTIONS * milliseconds / min(times)))


def opened(folder: Path, contract: Contract) -> Opened:
    """Return a session on what an embedded server would run a network on, left to itself."""
    chosen = chosen_gpus(GpuSettings())
    places = Wish(chosen.providers).places(chosen.gpus[0].index if chosen.gpus else None, engine=False)
    shapes = profile_of({spec.name: spec.shape for spec in contract.inputs}, contract.max_batch_size)
    file = GraphFile(folder / contract.graph.file, contract.graph.sha256, profile=shapes)
    return first_that_runs(file, places, 0, lambda session: None)


def bare_work(folder: Path, rgb: bytes, depth: bytes) -> Work:
    """Return a function that decodes, runs and renders one pair in this process."""
    contract = Contract.load(folder)
    session = opened(folder, contract).session
    look = LabelSpec.of(PipelineDescription.of(contract, contract.inputs, contract.outputs, contract.name))
    specs = [dataclasses.asdict(spec) for spec in contract.inputs]
    limits = ImageLimits()

    def work() -> None:
        pixels, of_rgb, metres, of_depth = decode_some([0, 1], specs, [DEFAULT_UNITS_PER_METRE], rgb, depth)
        labels, confidence = session.run(["labels", "confidence"], {"rgb": pixels, "depth": metres})
        facts = {"rgb": ImageFacts.from_plain(of_rgb[0]), "depth": ImageFacts.from_plain(of_depth[0])}
        render(labels[0], confidence[0], facts["rgb"].size, facts, ("rgb", "depth"), look)
        overlay(labels[0], visible(rgb, limits), look)
        png_bytes(Image.fromarray(confidence[0]))

    return work


def served_work(url: str, pipeline: str, rgb: bytes, depth: bytes, stack: ExitStack) -> Work:
    """Return a function that asks a server for one pair; there are as many connections as calls at a time."""
    idle: queue.SimpleQueue[tritonclient.grpc.InferenceServerClient] = queue.SimpleQueue()
    inputs = []
    for name, data in (("rgb_image", rgb), ("depth_image", depth)):
        tensor = tritonclient.grpc.InferInput(name, [1, 1], "BYTES")
        inputs.append(tensor.set_data_from_numpy(np.array([[data]], dtype=np.object_)))
    units = tritonclient.grpc.InferInput("depth_units_per_metre", [1, 1], "FP32")
    inputs.append(units.set_data_from_numpy(np.array([[DEFAULT_UNITS_PER_METRE]], np.float32)))

    def connected() -> tritonclient.grpc.InferenceServerClient:
        try:
            return idle.get_nowait()
        except queue.Empty:
            # Channels to one address share a connection unless their options differ.
            options = [("grpc.use_local_subchannel_pool", 1)]
            client = tritonclient.grpc.InferenceServerClient(url.removeprefix("grpc://"), channel_args=options)
            return stack.enter_context(client)

    def work() -> None:
        client = connected()
        client.infer(pipeline, inputs)
        idle.put(client)

    return work


def triton_url(server: EmbeddedServer) -> str:
    """Return where Triton itself answers, behind the gateway of a server of this user."""
    (found,) = (one for one in running_servers() if one.run.grpc_url == server.grpc_url)
    return f"grpc://{found.run.triton_target}"


def pace(work: Work, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Return requests per second of so many threads, one each at least, and the seconds that each request took."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def run() -> None:
        while True:
            began = time.perf_counter()
            work()
            times.append((done := time.perf_counter()) - began)
            if done >= end:
                return

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for client in [pool.submit(run) for _ in range(clients)]:
            client.result()
    return len(times) / (time.perf_counter() - began), times


def processes_of(server: EmbeddedServer) -> dict[int, float]:
    """Return the processor time so far of every process of a server."""
    found: dict[int, float] = {}
    for pid in (server.pid, *descendants_of(server.pid)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            found[pid] = times.user + times.system
    return found


def processor_seconds(server: EmbeddedServer) -> float:
    """Return the processor time of this process and of all the server's so far."""
    return time.process_time() + sum(processes_of(server).values())


def stolen_seconds() -> float:
    """Return the processor time that other virtual machines took from this one so far, 0 where nobody says."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


@dataclasses.dataclass(frozen=True)
class _Round:
    """One turn of every work: the share of the cores that other machines took, and what was measured by name."""

    stolen: float
    paces: dict[str, float]
    times: dict[str, list[float]]
    spent: dict[str, float]


def _round(works: dict[str, Work], server: EmbeddedServer, clients: int, seconds: float) -> _Round:
    """Measure every work once, in an order of chance: how one leaves the processor must not favour another."""
    paces, times, spent = {}, {}, {}
    began, stolen = time.perf_counter(), stolen_seconds()
    for name in random.sample(list(works), len(works)):
        before = processor_seconds(server)
        paces[name], times[name] = pace(works[name], clients, seconds)
        spent[name] = processor_seconds(server) - before
    share = (stolen_seconds() - stolen) / (time.perf_counter() - began) / granted_cores()
    return _Round(share, paces, times, spent)


def compare(
    works: dict[str, Work], server: EmbeddedServer, clients: int, rounds: int, seconds: float
) -> dict[str, Any]:
    """Measure all works in turns; the first is what the others are compared with.

    Rounds in which other machines took more than `_MOST_STOLEN` of the cores are repeated, up to `_MOST_REPEATS` times
    as many in all; the quietest count.
    """
    measured: list[_Round] = []
    while sum(one.stolen <= _MOST_STOLEN for one in measured) < rounds and len(measured) < _MOST_REPEATS * rounds:
        measured.append(_round(works, server, clients, seconds))
    quietest = sorted(measured, key=lambda one: one.stolen)[:rounds]
    base = next(iter(works))
    found: dict[str, Any] = {}
    for name in works:
        times = [seconds for one in quietest for seconds in one.times[name]]
        found[name] = {
            "per_second": round(statistics.median(one.paces[name] for one in quietest), 2),
            "p50_ms": round(statistics.median(times) * 1e3, 1),
            "processor_ms": round(sum(one.spent[name] for one in quietest) / len(times) * 1e3, 1),
            "share": round(statistics.median(one.paces[name] / one.paces[base] for one in quietest), 3),
        }
    return {**found, "stolen": round(max(one.stolen for one in quietest), 3)}


def memory_mb(server: EmbeddedServer) -> float:
    """Return the memory of a server's processes; what several share counts once."""
    shares = (int(psutil.Process(pid).memory_full_info().pss) for pid in processes_of(server))
    return round(sum(shares) / (1 << 20), 0)


def measure(repository: Path, network: str, rounds: int, seconds: float, layout: str) -> dict[str, Any]:
    """Compare one layout of a network's steps with a bare loop, print a table, and return the figures."""
    rgb, depth = (path.read_bytes() for path in PAIR)
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        settings = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "serving.toml"
        settings.write_text(_LAYOUTS[layout])
        server = stack.enter_context(
            EmbeddedServer(repository, networks=[network], options=["--config", str(settings)])
        )
        works = {
            "bare": bare_work(repository / network, rgb, depth),
            "direct": served_work(triton_url(server), f"{network}_image", rgb, depth, stack),
            "served": served_work(server.grpc_url, f"{network}_image", rgb, depth, stack),
        }
        for work in works.values():
            pace(work, 4, 1.0)
        print(f"{network}, 640x480 pair, {granted_cores()} cores, {layout}")
        for clients in (1, 4):
            compared = compare(works, server, clients, rounds, seconds)
            figures[f"clients_{clients}"] = compared
            figures[f"door_p50_{clients}"] = round(compared["served"]["p50_ms"] / compared["direct"]["p50_ms"], 3)
            for name in works:
                one = compared[name]
                print(
                    f"  {clients} clients  {name:<7} {one['per_second']:7.2f} per second  p50 {one['p50_ms']:6.1f} ms  "
                    f"{one['processor_ms']:6.1f} ms of processor  {one['share']:.3f} x bare"
                )
        figures["memory_mb"] = memory_mb(server)
        print(f"  {figures['memory_mb']:.0f} MB of memory")
    return figures


def main() -> None:
    """Measure, print tables and end in one JSON line."""
    parser = argparse.ArgumentParser(description="the served pipeline against a bare loop in one process")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="exported networks")
    parser.add_argument("--network", help="network of the repository to measure (default: the stand-in)")
    parser.add_argument("--convolutions", type=int, help=f"size of the stand-in (default: {_NETWORK_MS:g} ms)")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each kind (default 20)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one turn (default 2)")
    wanted = parser.parse_args()
    figures: dict[str, Any] = {"network": wanted.network or _STAND_IN, "cores": granted_cores()}
    with tempfile.TemporaryDirectory() as folder:
        repository = wanted.repository
        if wanted.network is None:
            repository = Path(folder)
            figures["convolutions"] = wanted.convolutions or sized(_NETWORK_MS)
            stand_in(repository, figures["convolutions"])
        fused, apart = (
            measure(repository, figures["network"], wanted.rounds, wanted.seconds, layout) for layout in _LAYOUTS
        )
    keep("serving", {**figures, **fused, "apart": apart})


if __name__ == "__main__":
    main()
