"""Times exported networks: eager PyTorch, a naive ONNX export, the frozen fp32 graph and its int8 version.

Random weights, two streams, 40 classes, 480x640, batch 1; 30 % of all channels behind an exchanging norm are
exchanged. All contenders of one network are called in turn, with raw
pixels in and labels out; figures are medians of wall time. Parity is against live PyTorch on fresh rooms.
Run it with ``python -m benchmarks.export`` on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks._record import eight_bit_instructions, keep, processor
from crosswire.export.baselines import interleaved
from crosswire.export.frames import Frames, of_source
from crosswire.export.graph_file import LOGITS, save
from crosswire.export.network_facts import macs
from crosswire.export.onnx_graph import exported
from crosswire.export.parity import granted_threads, measure, onnx_runner, torch_runner
from crosswire.export.quantization.precision import Precision
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.tasks.exporter import silent
from crosswire.export.tasks.segmentation.servable import SegmentationServable, input_spec
from crosswire.export.tasks.segmentation.single_export import SegmentationExport, prepare_export
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.engine.run_folder import Run
from crosswire.training.modalities import modalities
from crosswire.training.models import PrivateNorm2d, SegmentationNetwork, exchanging_norms
from crosswire.training.models.count import parameters
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.network import build_network

SIZE = (480, 640)
NETWORKS = ("refinenet101", "cen-lite")
SHARE = 0.3


def exchanging(config: NetworkConfig) -> SegmentationNetwork:
    """Build a network with random weights and `SHARE` of all channels exchanged."""
    torch.manual_seed(0)
    network = build_network(config).eval()
    with torch.no_grad():
        for norm in exchanging_norms(network).values():
            for gamma in norm.penalised():
                gamma[torch.randperm(gamma.numel())[: round(SHARE * norm.channels)]] = 0.01
    return network


def computed_macs(network: SegmentationNetwork, job: SegmentationExport, sample: Sequence[Tensor]) -> int:
    """Return the multiply-accumulates that a frozen network should need, from the live one and its masks alone.

    A shared convolution costs M times one stream's; filters that a mask replaces cost nothing, an input channel that
    was tiled is computed once, and the head behind the streams' sum runs once. What a depth-wise convolution alone
    reads is computed as often as what it makes of it.
    """
    modules = dict(network.named_modules())
    work: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(conv: nn.Conv2d, _: Any, output: Tensor) -> None:
            work[name] = output.numel() * conv.weight[0].numel()

        return hook

    convs = {name: module for name, module in modules.items() if isinstance(module, nn.Conv2d)}
    handles = [conv.register_forward_hook(count(name)) for name, conv in convs.items()]
    with torch.inference_mode():
        job.live()(*sample)
    for handle in handles:
        handle.remove()
    order = list(modules)
    total = 0.0
    names = list(convs)
    for place, (name, conv) in enumerate(convs.items()):
        share = 1.0
        reader = names[min(place + 1, len(names) - 1)]
        following = modules[order[order.index(reader if convs[reader].groups > 1 else name) + 1]]
        if isinstance(following, PrivateNorm2d):
            share = 1.0 - float(torch.stack(following.masks()).float().mean())
        if place == 0:
            share *= sum(network.stack.channels) / (len(network.stack.channels) * conv.in_channels)
        if name == "decoder.head":
            share = 1 / len(network.stack.channels)
        total += share * work[name]
    return round(total)


def measured(name: str, repeats: int, threads: int, frames: Frames, folder: Path) -> dict[str, Any]:
    """Export one network in all ways and compare them."""
    config = SegmentationConfig(network=NetworkConfig(name=name, classes=40))
    network = exchanging(config.network)
    work = prepare_export(Run(folder, config, network), SIZE, 1, Precision(), silent)
    names = [*(spec.name for spec in work.outputs), LOGITS]
    paths = {kind: folder / f"{kind}.onnx" for kind in ("naive fp32", "frozen fp32", "frozen int8")}
    save(exported(SegmentationServable(network, work.streams), work.inputs, names[:2], None), paths["naive fp32"])
    work.write(paths["frozen fp32"])
    Quantiser(paths["frozen fp32"], "cpu", frames.samples[:-2]).write((), paths["frozen int8"])
    live = torch_runner(SegmentationServable(network, work.streams).eval())
    runners = {"eager fp32": live, **{kind: onnx_runner(path, threads=threads) for kind, path in paths.items()}}
    sample = frames.samples[-1]
    times = interleaved({kind: partial(run, sample) for kind, run in runners.items()}, repeats)
    tapped = onnx_runner(paths["frozen fp32"], (LOGITS,))(sample)[2]
    fresh = frames.samples[-2:]
    labels = [live(one)[0] for one in fresh]
    agreement = {
        kind: min(measure("agreement", truth, runners[kind](one)[0]) for truth, one in zip(labels, fresh, strict=True))
        for kind in paths
    }
    counted = macs(work.servable(), work.inputs)
    return {
        "median_ms": {kind: round(time, 1) for kind, time in times.items()},
        "int8_against_eager": times["eager fp32"] / times["frozen int8"],
        "int8_against_naive": times["naive fp32"] / times["frozen int8"],
        "frozen_against_naive": times["naive fp32"] / times["frozen fp32"],
        "label_agreement": agreement,
        "logits_relative": measure("relative", torch_runner(work.live())(sample)[2], tapped),
        "gmacs_live": macs(work.live(), work.inputs) / 1e9,
        "gmacs_frozen_counted": counted / 1e9,
        "gmacs_frozen_computed": computed_macs(network, work, sample) / 1e9,
        "file_over_parameters": paths["frozen fp32"].stat().st_size / (4 * parameters(network)),
    }


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="exported networks against eager PyTorch and a naive export")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="names of the registry")
    parser.add_argument("--repeats", type=int, default=5, help="counted rounds (default 5)")
    parser.add_argument("--threads", type=int, default=0, help="of all contenders (default: one per core)")
    wanted = parser.parse_args()
    threads = wanted.threads or granted_threads()
    torch.set_num_threads(threads)
    source = RoomsFrames(11, 6, *SIZE)
    networks: dict[str, Any] = {}
    instructions = ", ".join(eight_bit_instructions()) or "none"
    print(f"{processor()}, {threads} of {os.cpu_count()} cores, 8-bit instructions: {instructions}", flush=True)
    for name in wanted.networks:
        with tempfile.TemporaryDirectory() as folder:
            inputs = [input_spec(stream, SIZE) for stream in modalities(NetworkConfig())]
            frames = of_source(source, inputs, 6, "rooms, {count} frames")
            networks[name] = row = measured(name, wanted.repeats, threads, frames, Path(folder))
        print(f"\n{name}", flush=True)
        for kind, value in row["median_ms"].items():
            print(f"  {kind:12} {value:9.1f} ms   {row['median_ms']['eager fp32'] / value:5.2f} x eager")
        for key, value in row.items():
            if key != "median_ms":
                print(f"  {key:24} {value if isinstance(value, dict) else round(value, 6)}")
    figures = {"threads": threads, "size": list(SIZE), "networks": networks}
    keep("export", figures)


if __name__ == "__main__":
    main()
