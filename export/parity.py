"""Proof that a frozen network answers as the live one does: live PyTorch against frozen PyTorch and ONNX Runtime."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from crosswire.contract import Parity, Tolerance

if TYPE_CHECKING:
    from torch import nn

Arrays = list[NDArray[np.generic]]
#: Takes one tensor or array per input.
Runner = Callable[[Sequence[Any]], Arrays]


def torch_runner(module: nn.Module) -> Runner:
    """Return a function that runs a servable in PyTorch."""
    import torch  # all that is proven here without it is served without it, too

    def run(inputs: Sequence[Any]) -> Arrays:
        with torch.inference_mode():
            return [output.numpy() for output in module(*inputs)]

    return run


def onnx_runner(path: Path, taps: Sequence[str] = (), threads: int = 0, *, basic: bool = False) -> Runner:
    """Return a function that runs an ONNX file on the CPU, each tensor going by its position.

    Args:
        path: the file.
        taps: names of tensors inside the graph that are returned behind its outputs.
        threads: that compute; 0 for as many as there are cores.
        basic: leave out the optimisations that fuse operators.
    """
    session = open_session(path, taps, threads, basic=basic)
    names = [value.name for value in session.get_inputs()]

    def run(inputs: Sequence[Any]) -> Arrays:
        outputs: Arrays = session.run(None, dict(zip(names, (np.asarray(x) for x in inputs), strict=True)))
        return outputs

    return run


def open_session(
    path: Path, taps: Sequence[str] = (), threads: int = 0, *, basic: bool = False
) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU; arguments as in `onnx_runner`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or granted_threads()
    options.log_severity_level = 3  # errors
    if basic:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.x64quantprecision", "1")  # without VNNI int8 sums would be cut off
    if not taps:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    model = onnx.load(path, load_external_data=False)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in taps)
    tapped = path.with_name(f".{path.name}.tapped")  # beside the file with its weights, if it has one
    try:
        tapped.write_bytes(model.SerializeToString())
        return onnxruntime.InferenceSession(str(tapped), options, providers=["CPUExecutionProvider"])
    finally:
        tapped.unlink(missing_ok=True)


def granted_threads() -> int:
    """Return how many threads may compute: `OMP_NUM_THREADS`, or one per core that is granted to the process."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))


def measure(name: str, reference: NDArray[np.generic], value: NDArray[np.generic]) -> float:
    """Compare two arrays by a measure of `crosswire.contract.Tolerance`.

    Raises:
        ValueError: the shapes or dtypes differ.
    """
    if reference.shape != value.shape or reference.dtype != value.dtype:
        raise ValueError(
            f"cannot compare {value.dtype} {value.shape} with the reference {reference.dtype} {reference.shape}"
        )
    if name == "agreement":
        return float((reference == value).mean())
    differences = np.abs(reference.astype(np.float64) - value.astype(np.float64))
    if name == "mean_abs":
        return float(differences.mean())
    largest = float(differences.max())
    return largest if name == "max_abs" else largest / max(float(np.abs(reference).max()), 1e-12)


def prove(
    live: Runner,
    stages: Mapping[str, Runner],
    samples: Mapping[str, Sequence[Sequence[Any]]],
    outputs: Sequence[str],
    tolerances: Sequence[Tolerance],
) -> tuple[Parity, ...]:
    """Measure every stage against the live network, by the measures that there is a tolerance for.

    Args:
        live: the reference.
        stages: what is compared with it, by stage name.
        samples: batches of inputs, by a description of what they are.
        outputs: names of what the runners return, in order.
        tolerances: say what is measured; those of a stage's own come before those of all stages.

    Returns:
        The worst value per stage, kind of input, output and measure.
    """
    proofs = []
    for description, batches in samples.items():
        references = [live(batch) for batch in batches]
        for stage, runner in stages.items():
            answers = [runner(batch) for batch in batches]
            for output, name in applicable(stage, outputs, tolerances):
                index = outputs.index(output)
                values = [
                    measure(name, reference[index], answer[index])
                    for reference, answer in zip(references, answers, strict=True)
                ]
                proofs.append(Parity(stage, description, output, name, worst(name, values)))
    return tuple(proofs)


def worst(name: str, values: Sequence[float]) -> float:
    """Return the worst of several values of a measure; NaN is worse than all."""
    if any(math.isnan(value) for value in values):
        return math.nan
    return min(values) if name == "agreement" else max(values)


def applicable(stage: str, outputs: Sequence[str], tolerances: Sequence[Tolerance]) -> list[tuple[str, str]]:
    """Return output and measure of the tolerances that a stage has to keep."""
    own = [tolerance for tolerance in tolerances if tolerance.stage == stage]
    chosen = own or [tolerance for tolerance in tolerances if not tolerance.stage]
    return [(tolerance.output, tolerance.measure) for tolerance in chosen if tolerance.output in outputs]
