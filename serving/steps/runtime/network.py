"""The network of the embedded runtime: ONNX Runtime sessions inside Triton's python backend, one per graph."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.serving.repository.published import GRAPHS_PARAMETER, THREADS_PARAMETER
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.steps.runtime.graph_choice import PRESENT, Arrays, Run
from crosswire.serving.steps.runtime.network_step import NetworkStep
from crosswire.serving.steps.runtime.side_by_side import Cores

_MOST_BYTES_TWICE = 64 << 20  # of a graph whose weights may be in memory twice
_NUMPY_TYPES = {"TYPE_UINT8": np.uint8, "TYPE_INT32": np.int32, "TYPE_FP32": np.float32}


def open_session(graph: Path, sha256: str, threads: int = 0, *, weights: bool = False) -> Any:
    """Open an ONNX Runtime session on a graph whose bytes have the expected hash.

    Args:
        graph: the `.onnx` file.
        sha256: hash that the file must have, hexadecimal.
        threads: how many threads it may have, 0 for one per granted core.
        weights: whether a second file beside the graph holds its weights.

    Returns:
        an `onnxruntime.InferenceSession` on CUDA if this ONNX Runtime has it, else on the CPU.

    Raises:
        ValueError: the file has another hash.
    """
    import onnxruntime

    content = graph.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"{graph} has sha256 {found[:12]}…, expected {sha256[:12]}…; export the run again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or granted_cores()
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding shares the cores
    options.add_session_config_entry("session.x64quantprecision", "1")  # without VNNI int8 sums would be cut off
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    available = onnxruntime.get_available_providers()
    if wanted[0] in available and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN that pip installed lie where the linker does not look
    # Weights beside a graph are looked for beside the file itself, which this one may only be a link to.
    source = str(graph.resolve()) if weights else content
    return onnxruntime.InferenceSession(source, options, providers=[name for name in wanted if name in available])


def threads_of(config: dict[str, Any]) -> int:
    """Return the threads of one instance of a model: those that were chosen, or twice its share of the granted cores.

    Threads do not spin while they wait: two instances that could each use all cores leave fewer of them idle than two
    with half of the cores each, and one that is alone at work is as fast as ever.
    """
    chosen = config["parameters"].get(THREADS_PARAMETER)
    instances = sum(int(group["count"]) for group in config["instance_group"])
    cores = granted_cores()
    return int(chosen["string_value"]) if chosen else max(1, min(cores, 2 * cores // instances))


def runner(session: Any, outputs: Sequence[str]) -> Run:
    """Return a function that runs a session on arrays by name.

    Args:
        session: from `open_session`.
        outputs: names of the outputs, in any order.
    """

    def run(feed: Arrays) -> Arrays:
        return dict(zip(outputs, session.run(list(outputs), feed), strict=True))

    return run


class OnnxNetwork(NetworkStep):
    """Runs the graphs of a network."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Open a session per graph and run it once, so that the first request finds it warm.

        On a processor the sessions share the cores, and their threads do not spin while they wait. A GPU answers the
        requests of a dynamic batch together.
        """
        threads = threads_of(config)
        tensors = {tensor["name"]: tensor for tensor in config["input"] if tensor["name"] != PRESENT}
        computed = self.computed(config)
        self._at_once = min(threads, int(config["max_batch_size"]))  # each holds its own activations
        cores = Cores(threads, self._at_once)
        graphs = {}
        for graph in json.loads(config["parameters"][GRAPHS_PARAMETER]["string_value"]):
            opened = partial(open_session, folder / graph["file"], graph["sha256"], weights=graph["weights"])
            session = opened(threads)
            run = runner(session, computed)
            run({name: _zeros(tensors[name]) for name in graph["inputs"]})
            self.together = session.get_providers() != ["CPUExecutionProvider"]
            if not self.together:
                twice = threads > 1 and _fits_twice(folder / graph["file"], graph)
                run = cores.shared(run, runner(opened(1), computed) if twice else run)
            graphs[tuple(graph["inputs"])] = run
        self.choose(config, graphs)

    def at_once(self) -> int:
        """Return how many requests to answer at a time."""
        return self._at_once


def _fits_twice(path: Path, graph: dict[str, Any]) -> bool:
    """Say whether a second session, with its own copy of the weights, costs little memory."""
    return not graph["weights"] and path.stat().st_size <= _MOST_BYTES_TWICE


def _zeros(tensor: dict[str, Any]) -> npt.NDArray[Any]:
    """Return one sample of zeros."""
    return np.zeros([1, *map(int, tensor["dims"])], _NUMPY_TYPES[tensor["data_type"]])
