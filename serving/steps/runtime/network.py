"""The network of the embedded runtime: ONNX Runtime sessions inside Triton's python backend, one per graph."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.serving.repository.published import (
    GPU_GROUP,
    GRAPHS_PARAMETER,
    INSTANCE,
    PROVIDERS_PARAMETER,
    THREADS_PARAMETER,
)
from crosswire.serving.steps.runtime.cores import granted_cores
from crosswire.serving.steps.runtime.graph_choice import PRESENT, Arrays, Run
from crosswire.serving.steps.runtime.network_step import NetworkStep
from crosswire.serving.steps.runtime.providers.agreement import agreement, noise
from crosswire.serving.steps.runtime.providers.first_that_runs import Opened, Wish, first_that_runs
from crosswire.serving.steps.runtime.providers.graph_run import GraphRun, artefact_of, tell
from crosswire.serving.steps.runtime.providers.names import CPU
from crosswire.serving.steps.runtime.providers.sessions import GraphFile, open_session, profile_of
from crosswire.serving.steps.runtime.side_by_side import Cores

_MOST_BYTES_TWICE = 64 << 20  # of a graph whose weights may be in memory twice
_NUMPY_TYPES = {"TYPE_UINT8": np.uint8, "TYPE_INT32": np.int32, "TYPE_FP32": np.float32}


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
            taken = [tensors[name] for name in graph["inputs"]]
            file = _graph_file(graph, folder, taken, int(config["max_batch_size"]))
            zeros = {tensor["name"]: _zeros(tensor) for tensor in taken}
            alone = graph.get("tensorrt_alone", False)
            opened = _opened(file, config, threads, zeros, alone=alone)
            _tell(config["name"], graph, opened, {} if alone else _compared(opened, file, zeros, computed))
            run = runner(opened.session, computed)
            self.together = opened.place.provider != CPU
            if not self.together:
                twice = threads > 1 and _fits_twice(folder / graph["file"], graph)
                alone = open_session(file.path, file.sha256, 1, weights=file.weights) if twice else None
                run = cores.shared(run, runner(alone, computed) if alone else run)
            graphs[tuple(graph["inputs"])] = run
        self.choose(config, graphs)

    def at_once(self) -> int:
        """Return how many requests to answer at a time."""
        return self._at_once


def device_of(config: dict[str, Any]) -> int | None:
    """Return the index of the GPU that an instance is for, as the name of its group tells; None for the processor."""
    found = re.match(rf"{GPU_GROUP}(\d+)(_|$)", config.get(INSTANCE, ""))
    return int(found[1]) if found else None


def _opened(file: GraphFile, config: dict[str, Any], threads: int, zeros: Arrays, *, alone: bool) -> Opened:
    """Open a graph in the best place that runs it, and run it there once; `alone`: TensorRT alone computes the like."""
    wish = Wish()
    if text := config["parameters"].get(PROVIDERS_PARAMETER):
        wish = Wish.from_json(text["string_value"])
    places = wish.places(device_of(config), engine=file.engine is not None, alone=alone)
    return first_that_runs(file, places, threads, lambda session: session.run(None, zeros))


def _compared(opened: Opened, file: GraphFile, zeros: Arrays, outputs: Sequence[str]) -> dict[str, float]:
    """Return how far a session on a GPU agrees with the processor on noise; nothing for the processor itself."""
    if opened.place.provider == CPU:
        return {}
    processor = open_session(file.path, file.sha256, weights=file.weights)
    return agreement(opened.session, processor, noise(zeros), outputs)


def _tell(network: str, graph: dict[str, Any], opened: Opened, agreed: dict[str, float]) -> None:
    """Say what runs a graph, in Triton's log and to the supervisor."""
    place = opened.place
    artefact = artefact_of(place.provider, engine=place.engine)
    inputs = "+".join(graph["inputs"])
    run = GraphRun(
        network, inputs, place.provider, place.device, artefact, graph["sha256"], opened.warnings, tuple(agreed.items())
    )
    for warning in run.warnings:
        print(f"warning: {network}: {warning}", file=sys.stderr, flush=True)
    print(run.text, file=sys.stderr, flush=True)
    tell(run)


def _graph_file(graph: dict[str, Any], folder: Path, tensors: Sequence[dict[str, Any]], largest: int) -> GraphFile:
    """Return a graph that a configuration names."""
    engine = folder / graph["engine"] if graph.get("engine") else None
    profile = profile_of({one["name"]: tuple(map(int, one["dims"])) for one in tensors}, largest)
    return GraphFile(folder / graph["file"], graph["sha256"], graph["weights"], engine, profile)


def _fits_twice(path: Path, graph: dict[str, Any]) -> bool:
    """Say whether a second session, with its own copy of the weights, costs little memory."""
    return not graph["weights"] and path.stat().st_size <= _MOST_BYTES_TWICE


def _zeros(tensor: dict[str, Any]) -> npt.NDArray[Any]:
    """Return one sample of zeros."""
    return np.zeros([1, *map(int, tensor["dims"])], _NUMPY_TYPES[tensor["data_type"]])
