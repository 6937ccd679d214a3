"""Builds engines of TensorRT-RTX for 480x640 and writes down how long that takes and how large they are.

Random weights, two streams, 40 classes, batch 1 to 8; 30 % of all channels behind an exchanging norm are exchanged. The
builder needs no GPU, and no engine is run. Run it with ``python -m benchmarks.engines`` on a quiet machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks._record import keep
from benchmarks.export import NETWORKS, SIZE, exchanging
from crosswire.contract.plain import to_plain
from crosswire.export.frames import of_source
from crosswire.export.quantization.precision import Precision
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.tasks.exporter import silent
from crosswire.export.tasks.segmentation.single_export import SegmentationExport, prepare_export
from crosswire.export.tensorrt.builder import RTX, EngineBuilder, Settings, capabilities, check_settings, shapes, wire
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.engine.run_folder import Run
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig

MAX_BATCH = 8
CALIBRATION_FRAMES = 2


def graphs(name: str, size: tuple[int, int], folder: Path) -> tuple[SegmentationExport, dict[str, Path]]:
    """Write the graphs of a network in 16 and in 8 bits."""
    config = SegmentationConfig(network=NetworkConfig(name=name, classes=40))
    run = Run(folder, config, exchanging(config.network))
    work = prepare_export(run, size, MAX_BATCH, Precision(target="tensorrt"), silent)
    paths = {precision: folder / f"{precision}.onnx" for precision in ("fp32", "fp16", "int8")}
    work.write(paths["fp32"])
    work.write(paths["fp16"], torch.float16)
    frames = of_source(RoomsFrames(11, CALIBRATION_FRAMES, *size), work.inputs, CALIBRATION_FRAMES, "rooms")
    Quantiser(paths["fp32"], "tensorrt", frames.samples).write((), paths["int8"])
    return work, {precision: paths[precision] for precision in ("fp16", "int8")}


def measured(name: str, size: tuple[int, int], settings: Settings) -> dict[str, Any]:
    """Build the engines of one network."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        work, paths = graphs(name, size, Path(folder))
        specs = {key: [to_plain(spec) for spec in getattr(work, key)] for key in ("inputs", "outputs")}
        bounds = shapes({**specs, "max_batch_size": MAX_BATCH})
        for precision, path in paths.items():
            builder = EngineBuilder(settings, Path(folder) / "unused")
            start = time.perf_counter()
            engine = builder.build(path, bounds, wire(specs, list(bounds)))
            rows[precision] = {
                "build_seconds": round(time.perf_counter() - start, 1),
                "graph_mb": round(path.stat().st_size / 1e6, 1),
                "engine_mb": round(len(engine) / 1e6, 1),
            }
            print(f"{name} {precision}: {rows[precision]}", flush=True)
    return rows


def main() -> None:
    """Measure, and end in one JSON line."""
    parser = argparse.ArgumentParser(description="build time and size of engines of TensorRT-RTX")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="names of the registry")
    parser.add_argument("--compute-capability", type=capabilities, default=("89", "120"), help="default 89,120")
    wanted = parser.parse_args()
    settings = Settings(RTX, wanted.compute_capability)
    check_settings(settings)
    networks = {name: measured(name, SIZE, settings) for name in wanted.networks}
    library = f"{RTX} {EngineBuilder(settings, Path()).version}"
    keep("engines", {"library": library, "capabilities": list(settings.compute_capabilities), "networks": networks})


if __name__ == "__main__":
    main()
