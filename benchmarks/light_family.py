"""Compares cen-lite-s with a RefineNet of like size: quality, parameters, multiply-accumulates and time.

Both are trained on the procedural rooms with the same optimiser, batches and steps, once per seed, and scored on fresh
scenes; the learning rate of each is the better of a few, tried beforehand on other scenes for half as long. A training
step is forward and backward of one batch, in processor seconds; latency is that of the exported
fp32 graph with all its pre- and post-processing, at 480x640, batch 1; of both the shortest of several calls. Run
it with ``python -m benchmarks.light_family`` on a quiet machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from benchmarks._record import keep, processor
from crosswire.export.build import build
from crosswire.export.graph_file import GRAPH
from crosswire.export.onnx_graph import example
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.modalities import modalities
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.evaluate import score
from crosswire.training.tasks.segmentation.losses import task_loss
from crosswire.training.tasks.segmentation.network import build_network

SIZE = (480, 640)
CALLS = 20
STEPS = 8
RATES = (0.1, 0.03)
OTHER_SCENES = 50
CONTENDERS = {
    "cen-lite-s": NetworkConfig(name="cen-lite-s", classes=12),
    "refinenet26, narrow": NetworkConfig(
        name="refinenet26", classes=12, width=12, features=32, units=(1, 1), pooling=2, dropout=0.1
    ),
}


def configuration(network: NetworkConfig, steps: int, seed: int, rate: float) -> SegmentationConfig:
    """Return the run of one contender: the quick preset with another network, length, seed and learning rate."""
    quick = preset("rooms-quick")
    assert isinstance(quick, SegmentationConfig)
    network = dataclasses.replace(network, gamma_low=quick.network.gamma_low, threshold=quick.network.threshold)
    optimiser = dataclasses.replace(quick.optimiser, encoder_lr=rate, decoder_lr=rate)
    return dataclasses.replace(quick, network=network, optimiser=optimiser, steps=steps, val_every=steps, seed=seed)


def better_rate(network: NetworkConfig, steps: int) -> float:
    """Return the learning rate that scores best on scenes that are used for nothing else."""
    scores = {}
    for rate in RATES:
        config = configuration(network, steps, 0, rate)
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, seed=OTHER_SCENES))
        with tempfile.TemporaryDirectory() as folder:
            fit(config, Path(folder) / "run", progress=False)
            scores[rate] = score(read_run(Path(folder) / "run"), progress=False)["scores"]["ensemble"]["mean_iou"]
    return max(scores, key=scores.__getitem__)


def measure(config: SegmentationConfig, folder: Path, threads: int) -> dict[str, float]:
    """Train, score and export one run; return its figures."""
    fit(config, folder / "run", progress=False)
    run = read_run(folder / "run")
    scores = score(run, progress=False)
    contract = build(run, "contender", SIZE, folder, max_batch=2)
    return {
        "mean_iou": scores["scores"]["ensemble"]["mean_iou"],
        "exchanged_share": scores["exchanged_share"],
        "parameters": contract.parameters,
        "gmacs_frozen": contract.macs_frozen / 1e9,
        "step_s": step_seconds(config),
        "latency_ms": latency_ms(folder / "contender" / GRAPH, contract.inputs, threads),
        "graph_mb": sum(f.stat().st_size for f in (folder / "contender" / GRAPH).parent.iterdir()) / 1e6,
    }


def step_seconds(config: SegmentationConfig) -> float:
    """Return the shortest of several forward and backward passes of one batch, in seconds of processor time."""
    network = build_network(config.network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = (config.data.height, config.data.width)
    inputs = [torch.randn(config.data.batch, m.channels, *size) for m in modalities(config.network)]
    labels = torch.randint(0, config.network.classes, (config.data.batch, *size))
    times = []
    for _ in range(STEPS):
        start = time.process_time()
        task_loss(network(*inputs), labels).backward()  # type: ignore[no-untyped-call]
        times.append(time.process_time() - start)
    return min(times)


def latency_ms(graph: Path, inputs: Any, threads: int) -> float:
    """Return the shortest of several calls of a graph for one sample, in milliseconds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    feed = {spec.name: x.numpy() for spec, x in zip(inputs, example(inputs, 1, seed=0), strict=True)}
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of every figure over the seeds, and the spread of the mean IoU."""
    mean = {key: statistics.fmean(run[key] for run in runs) for key in runs[0]}
    return {**mean, "mean_iou_spread": statistics.stdev(run["mean_iou"] for run in runs) if len(runs) > 1 else 0.0}


def main() -> None:
    """Measure, print a table and end in one JSON line."""
    parser = argparse.ArgumentParser(description="cen-lite-s against a RefineNet of like size")
    parser.add_argument("--steps", type=int, default=300, help="steps per run (default 300)")
    parser.add_argument("--seeds", type=int, default=3, help="runs per network (default 3)")
    parser.add_argument("--threads", type=int, default=1, help="threads of training and latency (default 1)")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    print(f"{processor()}, {wanted.threads} thread(s), {wanted.steps} steps, {wanted.seeds} seeds")
    print(
        f"{'':20} {'mIoU':>13} {'params':>10} {'GMACs':>6} {'s/step':>7} {'ms':>7} {'MB':>5} "
        f"{'exchanged':>10} {'rate':>5}"
    )
    figures = {}
    for name, network in CONTENDERS.items():
        runs, rate = [], better_rate(network, wanted.steps // 2)
        for seed in range(wanted.seeds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(measure(configuration(network, wanted.steps, seed, rate), Path(folder), wanted.threads))
        figures[name] = row = {"learning_rate": rate, **summary(runs)}
        print(
            f"{name:20} {row['mean_iou']:.3f} ± {row['mean_iou_spread']:.3f} {row['parameters']:10,.0f} "
            f"{row['gmacs_frozen']:6.2f} {row['step_s']:7.3f} {row['latency_ms']:7.1f} {row['graph_mb']:5.1f} "
            f"{row['exchanged_share']:10.1%} {rate:5g}",
            flush=True,
        )
    sizes = {"threads": wanted.threads, "steps": wanted.steps, "seeds": wanted.seeds, "size": list(SIZE)}
    keep("light_family", {**sizes, "networks": figures})


if __name__ == "__main__":
    main()
