"""Frozen fp16 graphs on ONNX Runtime against eager and compiled PyTorch, from pixels to labels on the device.

Inputs and outputs lie on the device throughout; the way from and to the host belongs to the served part. Labels are
compared with those of the live network in fp32 on the processor.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from benchmarks.export import exchanging
from benchmarks.gpu.machine import BF16, FP16, TF32, Arithmetic, Machine, ceiling, each, in_turns, one_line, share
from crosswire.export.frames import of_source
from crosswire.export.network_facts import macs
from crosswire.export.parity import measure as compared
from crosswire.export.parity import torch_runner
from crosswire.export.quantization.precision import Precision
from crosswire.export.tasks.exporter import silent
from crosswire.export.tasks.segmentation.servable import SegmentationServable
from crosswire.export.tasks.segmentation.single_export import SegmentationExport, prepare_export
from crosswire.training.datasets.rooms_frames import RoomsFrames
from crosswire.training.engine.run_folder import Run
from crosswire.training.tasks.segmentation.config import NetworkConfig, SegmentationConfig

NETWORKS = ("cen-lite", "refinenet101")
#: Seconds that must be left before a network is compiled for one more shape.
_COMPILES_S = 120.0
CUDA = "CUDAExecutionProvider"

Forward = Callable[[], Sequence[Tensor]]


def measure(machine: Machine) -> bool:
    """Measure every network and write the figures; return whether all of them could be measured."""
    if machine.on_gpu:
        onnxruntime.preload_dlls()
        if CUDA not in onnxruntime.get_available_providers():
            raise RuntimeError(
                f"ONNX Runtime {onnxruntime.__version__} here has no CUDA; pip uninstall -y onnxruntime, then "
                "pip install onnxruntime-gpu"
            )
    tera = ceiling(machine)
    with tempfile.TemporaryDirectory() as folder:
        works = {
            name: partial(_measured, machine, name, Path(folder), tera)
            for name in NETWORKS[: 1 if machine.tiny else None]
        }
        networks, failed = each(machine, works)
    machine.keep("frozen", {"ceiling_tflops": tera, "networks": networks, "failed": failed})
    runs = [one for network in networks.values() for one in network["batches"].values()]
    return not failed and not any(one["failed"] for one in runs)


def graph_size(*, tiny: bool) -> tuple[int, int]:
    """Return height and width of the pictures."""
    return (64, 96) if tiny else (480, 640)


def exported(name: str, folder: Path, *, tiny: bool, classes: int = 40) -> SegmentationExport:
    """Return a network with random weights and a share of its channels exchanged, frozen for export."""
    config = NetworkConfig(name=name, classes=classes)
    if tiny:
        config = NetworkConfig(name="refinenet14", classes=classes, width=8, features=8)
    run = Run(folder, SegmentationConfig(network=config), exchanging(config))
    return prepare_export(run, graph_size(tiny=tiny), 8, Precision(target="tensorrt"), silent)


def _measured(machine: Machine, name: str, folder: Path, tera: dict[str, float]) -> dict[str, Any]:
    """Return the figures of one network."""
    work = exported(name, folder, tiny=machine.tiny)
    graph = folder / f"{name}.onnx"
    work.write(graph, torch.float16)
    frozen_macs, live_macs = macs(work.servable(), work.inputs), macs(work.live(), work.inputs)
    batches = (2,) if machine.tiny else (1, 8)
    frames = of_source(RoomsFrames(11, max(batches), *work.inputs[0].shape[:2]), work.inputs, max(batches), "rooms")
    pixels = [torch.cat(column) for column in zip(*frames.samples, strict=True)]
    truth = torch.from_numpy(torch_runner(work.live())(pixels)[0])
    contenders = _contenders(machine, work, graph)
    return {
        "size": list(work.inputs[0].shape[:2]),
        "gmacs_live": live_macs / 1e9,
        "gmacs_frozen": frozen_macs / 1e9,
        "batches": {
            str(batch): _raced(
                machine, contenders, [x[:batch] for x in pixels], truth[:batch], live_macs, frozen_macs, tera
            )
            for batch in batches
        },
    }


def _raced(
    machine: Machine,
    contenders: dict[str, Callable[[Sequence[Tensor]], Forward]],
    pixels: Sequence[Tensor],
    truth: Tensor,
    live_macs: int,
    frozen_macs: int,
    tera: dict[str, float],
) -> dict[str, Any]:
    """Return the figures of one batch size."""
    inputs = [x.to(machine.device) for x in pixels]
    works: dict[str, Forward] = {}
    failed, agreement = {}, {}
    for name, prepare in contenders.items():
        if name.startswith("compiled") and machine.late(_COMPILES_S):
            failed[name] = "left out: too little time to compile; give it more with --minutes"
            continue
        try:
            works[name] = prepare(inputs)
            labels = works[name]()[0]
            machine.wait()
        except Exception as error:  # whatever a compiler, a driver or a runtime raises
            works.pop(name, None)
            failed[name] = one_line(error)
            continue
        agreement[name] = round(compared("agreement", truth.numpy(), labels.cpu().numpy()), 5)
    turns = in_turns(machine, works)
    batch = len(truth)
    counted = {name: batch * (frozen_macs if "frozen" in name else live_macs) for name in turns.seconds}
    return {
        "median_ms": {name: round(1e3 * turns.median(name), 3) for name in turns.seconds},
        "samples_per_second": {name: round(batch / turns.median(name), 1) for name in turns.seconds},
        "frozen_against_eager_fp16": turns.ratio("eager fp16", "frozen onnx fp16"),
        "frozen_against_compiled_fp16": turns.ratio("compiled fp16", "frozen onnx fp16"),
        "label_agreement": agreement,
        "share_of_ceiling": {
            name: share(counted[name], turns.median(name), tera.get(name.split()[-1])) for name in turns.seconds
        },
        "failed": failed | turns.failed,
    }


def _contenders(
    machine: Machine, work: SegmentationExport, graph: Path
) -> dict[str, Callable[[Sequence[Tensor]], Forward]]:
    """Return what is timed: each takes the inputs on the device and returns a function that answers."""
    network = copy.deepcopy(work.network)
    live = SegmentationServable(network, work.streams).eval().to(machine.device)
    live.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    half = work.servable(torch.float16).to(machine.device)
    compiled = torch.compile(live, backend="inductor" if machine.on_gpu else "eager")
    return {
        "eager tf32": partial(in_torch, machine, live, TF32),
        "eager bf16": partial(in_torch, machine, live, BF16),
        "eager fp16": partial(in_torch, machine, live, FP16),
        "compiled fp16": partial(in_torch, machine, compiled, FP16),
        "frozen eager fp16": partial(in_torch, machine, half, Arithmetic("fp16")),
        "frozen onnx fp16": partial(in_onnxruntime, machine, graph, {}),
        "frozen onnx nhwc fp16": partial(in_onnxruntime, machine, graph, {"prefer_nhwc": "1"}),
    }


def in_torch(machine: Machine, module: Callable[..., Any], arithmetic: Arithmetic, inputs: Sequence[Tensor]) -> Forward:
    """Return a call of a module in PyTorch."""

    def work() -> Sequence[Tensor]:
        with torch.no_grad(), arithmetic.forward(machine.device):
            answers: Sequence[Tensor] = module(*inputs)
        return answers

    return work


def in_onnxruntime(machine: Machine, graph: Path, options: dict[str, str], inputs: Sequence[Tensor]) -> Forward:
    """Return a call of a graph in ONNX Runtime whose inputs and outputs stay on the device.

    Raises:
        RuntimeError: ONNX Runtime runs it elsewhere.
    """
    providers: list[Any] = [(CUDA, options)] if machine.on_gpu else ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(graph), providers=providers)
    if machine.on_gpu and session.get_providers()[0] != CUDA:
        raise RuntimeError("ONNX Runtime fell back to the processor; its CUDA libraries do not fit")
    binding = session.io_binding()
    for value, x in zip(session.get_inputs(), inputs, strict=True):
        kind = np.uint8 if x.dtype == torch.uint8 else np.float32
        binding.bind_input(value.name, machine.device.type, 0, kind, tuple(x.shape), x.data_ptr())
    shape = tuple(inputs[0].shape[:3])
    outputs = [torch.empty(shape, dtype=torch.uint8, device=machine.device) for _ in session.get_outputs()]
    for value, x in zip(session.get_outputs(), outputs, strict=True):
        binding.bind_output(value.name, machine.device.type, 0, np.uint8, shape, x.data_ptr())

    def work() -> Sequence[Tensor]:
        session.run_with_iobinding(binding)
        return outputs

    return work
