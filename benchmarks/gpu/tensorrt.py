"""Engines of TensorRT on this card: how long they take to build, and their latency against ONNX Runtime and PyTorch.

TensorRT-RTX and TensorRT are each tried. One that builds nothing for this card, as TensorRT-RTX for Hopper, or is not
installed, leaves its reason in the figures in the place of a time. Inputs and outputs lie on the device throughout.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.frozen import NETWORKS, Forward, exported, in_onnxruntime, in_torch
from benchmarks.gpu.machine import FP16, Arithmetic, Machine, each, in_turns, one_line
from crosswire.contract.plain import to_plain
from crosswire.export.frames import of_source
from crosswire.export.parity import measure as compared
from crosswire.export.parity import torch_runner
from crosswire.export.quantization.quantiser import Quantiser
from crosswire.export.tasks.segmentation.servable import SegmentationServable
from crosswire.export.tasks.segmentation.single_export import SegmentationExport
from crosswire.export.tensorrt.builder import (
    RTX,
    TENSORRT,
    EngineBuilder,
    EngineError,
    Settings,
    Shapes,
    check_settings,
    listener,
    load_library,
    shapes,
    wire,
)
from crosswire.training.datasets.rooms_frames import RoomsFrames

#: What an engine is built for where there is no card, to try the code.
NO_CARD = "89"
_PRECISIONS, _LARGEST, _CALIBRATION_FRAMES = ("fp16", "int8"), 8, 2
_NOT_RUN = "not run: a processor runs no engines"


def measure(machine: Machine) -> bool:
    """Measure every network and write the figures; return whether all that this card has a library for was measured."""
    card = capability(machine)
    libraries = {library: refusal(library, card, on_gpu=machine.on_gpu) for library in (RTX, TENSORRT)}
    with tempfile.TemporaryDirectory() as folder:
        names = NETWORKS[: 1 if machine.tiny else None]
        usable = [library for library, why in libraries.items() if not why]
        networks, failed = each(
            machine, {name: partial(_measured, machine, name, Path(folder), usable, card) for name in names}
        )
    facts = {"compute_capability": f"{card[:-1]}.{card[-1]}", "libraries": _said(libraries)}
    machine.keep("tensorrt", {**facts, "networks": networks, "failed": failed})
    runs = [one for network in networks.values() for one in network["batches"].values()]
    return not failed and not any(one["failed"] for one in runs)


def capability(machine: Machine) -> str:
    """Return the compute capability of the card as libraries write it, `89`; without one, `NO_CARD`."""
    return "{}{}".format(*torch.cuda.get_device_capability(machine.device)) if machine.on_gpu else NO_CARD


def refusal(library: str, card: str, *, on_gpu: bool) -> str:
    """Return why a library builds no engine for a card; nothing if it does.

    Args:
        library: `RTX` or `TENSORRT`.
        card: compute capability, `90`.
        on_gpu: whether there is a card; TensorRT itself builds for no other.
    """
    try:
        check_settings(_settings(library, card))
    except EngineError as error:
        return str(error)
    return "" if on_gpu or library == RTX else "not run: it builds for the card that it finds, and there is none"


def _said(libraries: Mapping[str, str]) -> dict[str, str]:
    """Return the release of every library that builds for the card, or why it builds nothing."""
    return {library: why or str(load_library(library).__version__) for library, why in libraries.items()}


def _settings(library: str, card: str) -> Settings:
    """Return what engines for a card are built with."""
    return Settings(library, (card,) if library == RTX else ())


def _measured(machine: Machine, name: str, folder: Path, libraries: Sequence[str], card: str) -> dict[str, Any]:
    """Return the figures of one network."""
    work = exported(name, folder, tiny=machine.tiny)
    graphs = _graphs(work, folder)
    specs = {key: [to_plain(spec) for spec in getattr(work, key)] for key in ("inputs", "outputs")}
    bounds = shapes({**specs, "max_batch_size": _LARGEST})
    rows: dict[str, Any] = {}
    contenders = _baselines(machine, work, graphs)
    for library in libraries:
        for precision, graph in graphs.items():
            row, engine = _built(_settings(library, card), graph, bounds, wire(specs, list(bounds)), folder)
            rows[f"{library} {precision}"] = row
            if engine is None:
                continue
            if machine.on_gpu:
                contenders[f"{library} {precision}"] = partial(_engine, machine, load_library(library), engine)
            else:
                row["latency"] = _NOT_RUN
    batches = (2,) if machine.tiny else (1, _LARGEST)
    frames = of_source(RoomsFrames(11, max(batches), *work.inputs[0].shape[:2]), work.inputs, max(batches), "rooms")
    pixels = [torch.cat(column) for column in zip(*frames.samples, strict=True)]
    truth = torch.from_numpy(torch_runner(work.live())(pixels)[0])
    raced = {str(batch): _raced(machine, contenders, [x[:batch] for x in pixels], truth[:batch]) for batch in batches}
    return {"size": list(work.inputs[0].shape[:2]), "engines": rows, "batches": raced}


def _graphs(work: SegmentationExport, folder: Path) -> dict[str, Path]:
    """Write the graphs of a network, by precision."""
    full = folder / "fp32.onnx"
    paths = {precision: folder / f"{precision}.onnx" for precision in _PRECISIONS}
    work.write(full)
    work.write(paths["fp16"], torch.float16)
    height, width = work.inputs[0].shape[:2]
    seen = RoomsFrames(11, _CALIBRATION_FRAMES, height, width)
    frames = of_source(seen, work.inputs, _CALIBRATION_FRAMES, "rooms")
    Quantiser(full, "tensorrt", frames.samples).write((), paths["int8"])
    return paths


def _built(
    settings: Settings, graph: Path, bounds: Shapes, promised: list[tuple[str, str, list[int]]], folder: Path
) -> tuple[dict[str, Any], bytes | None]:
    """Build an engine; return build time and size, or why there is none, and the engine."""
    began = time.perf_counter()
    try:
        engine = EngineBuilder(settings, folder / "timing.cache").build(graph, bounds, promised)
    except EngineError as error:
        return {"refused": one_line(error)}, None
    seconds = round(time.perf_counter() - began, 1)
    return {"build_seconds": seconds, "engine_mb": round(len(engine) / 1e6, 1)}, engine


def _baselines(
    machine: Machine, work: SegmentationExport, graphs: Mapping[str, Path]
) -> dict[str, Callable[[Sequence[Tensor]], Forward]]:
    """Return what engines are compared with: each takes the inputs on the device and returns a call."""
    live = SegmentationServable(work.network, work.streams).eval().to(machine.device)
    half = work.servable(torch.float16).to(machine.device)
    return {
        "eager fp16": partial(in_torch, machine, live, FP16),
        "frozen eager fp16": partial(in_torch, machine, half, Arithmetic("fp16")),
        "onnx fp16": partial(in_onnxruntime, machine, graphs["fp16"], {}),
    }


def _raced(
    machine: Machine,
    contenders: Mapping[str, Callable[[Sequence[Tensor]], Forward]],
    pixels: Sequence[Tensor],
    truth: Tensor,
) -> dict[str, Any]:
    """Return the figures of one batch size."""
    inputs = [x.to(machine.device) for x in pixels]
    works: dict[str, Forward] = {}
    failed, agreement = {}, {}
    for name, prepare in contenders.items():
        try:
            work = prepare(inputs)
            labels = work()[0]
            machine.wait()
        except Exception as error:  # whatever a driver or a runtime raises
            failed[name] = one_line(error)
            continue
        works[name] = work
        agreement[name] = round(compared("agreement", truth.numpy(), labels.cpu().numpy()), 5)
    turns = in_turns(machine, works)
    engines = [name for name in turns.seconds if name.startswith((RTX, TENSORRT))]
    return {
        "median_ms": {name: round(1e3 * turns.median(name), 3) for name in turns.seconds},
        "against_onnx_fp16": {name: turns.ratio("onnx fp16", name) for name in engines},
        "against_eager_fp16": {name: turns.ratio("eager fp16", name) for name in engines},
        "label_agreement": agreement,
        "failed": failed | turns.failed,
    }


def _engine(machine: Machine, trt: Any, engine: bytes, inputs: Sequence[Tensor]) -> Forward:
    """Return a call of an engine, whose inputs and outputs stay on the device.

    Raises:
        RuntimeError: the library does not load it, or does not run it.
    """
    log = listener(trt)
    loaded = trt.Runtime(log).deserialize_cuda_engine(engine)
    if loaded is None:
        raise RuntimeError(f"the engine does not load: {'; '.join(log.said)}")
    context = loaded.create_execution_context()
    names = [loaded.get_tensor_name(index) for index in range(loaded.num_io_tensors)]
    taken = [name for name in names if loaded.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    for name, x in zip(taken, inputs, strict=True):
        context.set_input_shape(name, tuple(x.shape))
        context.set_tensor_address(name, x.data_ptr())
    shape = tuple(inputs[0].shape[:3])
    given = [name for name in names if name not in taken]
    outputs = [torch.empty(shape, dtype=torch.uint8, device=machine.device) for _ in given]
    for name, x in zip(given, outputs, strict=True):
        context.set_tensor_address(name, x.data_ptr())
    kept = (loaded, *inputs)  # the addresses are theirs

    def work() -> Sequence[Tensor]:
        assert kept
        if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError(f"the engine does not run: {'; '.join(log.said)}")
        return outputs

    return work
