"""The graphs of one network, and under which names the two runtimes find them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract import ENGINE_SUFFIXES, Contract, Graph, context_of, engines_beside
from crosswire.serving.repository.published import GRAPH_FILE


@dataclass(frozen=True)
class ServedGraph:
    """One graph.

    Attributes:
        inputs: names of the inputs that it takes; it answers when exactly these are present.
        source: its file.
        sha256: the file's hash.
        file: its name in the version folder of the embedded network.
        model: the model that runs it in the container.
        weights: the file with its weights where they do not fit into its own, or None.
        engines: its engines, each with a manifest beside it; where TensorRT built one, that is its plan.
    """

    inputs: tuple[str, ...]
    source: Path
    sha256: str
    file: str
    model: str
    weights: Path | None
    engines: tuple[Path, ...]

    @property
    def plan(self) -> Path | None:
        """Its TensorRT plan, or None where none was built."""
        return next((engine for engine in self.engines if engine.suffix == ENGINE_SUFFIXES["tensorrt"]), None)

    @property
    def engine(self) -> Path | None:
        """Its engine of TensorRT-RTX that ONNX Runtime's provider can run, or None where none was built."""
        suffix = ENGINE_SUFFIXES["tensorrt_rtx"]
        return next((one for one in self.engines if one.suffix == suffix and context_of(one).is_file()), None)


def graphs_of(contract: Contract, folder: Path, *, facade: bool) -> tuple[ServedGraph, ...]:
    """Return the graph that takes every input, then those of the variants.

    Args:
        contract: the network's contract.
        folder: the folder that holds it and its graphs.
        facade: whether the network's own name belongs to a façade before the graphs.
    """
    model = f"{contract.name}_net" if facade else contract.name
    names = tuple(spec.name for spec in contract.inputs)
    whole = _served(contract.graph, folder, names, GRAPH_FILE, model)
    lesser = (
        _served(one.graph, folder, one.inputs, f"model.{'.'.join(one.inputs)}.onnx", f"{model}_{'_'.join(one.inputs)}")
        for one in contract.variants
    )
    return (whole, *lesser)


def _served(graph: Graph, folder: Path, inputs: tuple[str, ...], file: str, model: str) -> ServedGraph:
    """Return one graph with what lies beside it."""
    source = (folder / graph.file).resolve()
    weights = source.with_name(Path(graph.weights).name) if graph.weights else None
    return ServedGraph(inputs, source, graph.sha256, file, model, weights, tuple(engines_beside(source)))


def as_parameter(graphs: tuple[ServedGraph, ...], *, engines: bool = False, alone: bool = False) -> str:
    """Return the JSON text by which a model's process learns of its graphs, one object for each.

    Args:
        graphs: of the model.
        engines: whether it learns of their engines of TensorRT-RTX, too.
        alone: whether TensorRT alone computes what they compute.
    """
    return json.dumps(
        [
            {"inputs": one.inputs, "file": one.file, "model": one.model, "sha256": one.sha256}
            | {"weights": one.weights is not None}
            | ({"tensorrt_alone": True} if alone else {})
            | ({"engine": one.engine.name} if engines and one.engine else {})
            for one in graphs
        ]
    )
