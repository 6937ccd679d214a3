"""The graphs of one network, and under which names the two runtimes find them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from crosswire.contract import Graph
from crosswire.serving.repository.networks import Network
from crosswire.serving.repository.plans import plan_of
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
    """

    inputs: tuple[str, ...]
    source: Path
    sha256: str
    file: str
    model: str
    weights: Path | None

    @property
    def plan(self) -> Path | None:
        """Its TensorRT plan, or None where none was built."""
        return plan_of(self.source)


def graphs_of(network: Network) -> tuple[ServedGraph, ...]:
    """Return the graph that takes every input, then those of the variants."""
    contract = network.contract
    names = tuple(spec.name for spec in contract.inputs)
    model = f"{contract.name}_net" if has_facade(network) else contract.name
    whole = ServedGraph(
        names, network.graph, contract.graph.sha256, GRAPH_FILE, model, _weights(network.graph, contract.graph)
    )
    lesser = (
        ServedGraph(
            variant.inputs,
            source,
            variant.graph.sha256,
            f"model.{'.'.join(variant.inputs)}.onnx",
            f"{model}_{'_'.join(variant.inputs)}",
            _weights(source, variant.graph),
        )
        for variant, source in zip(contract.variants, network.variants, strict=True)
    )
    return (whole, *lesser)


def _weights(source: Path, graph: Graph) -> Path | None:
    """Return the file with a graph's weights, which lies beside it."""
    return source.with_name(Path(graph.weights).name) if graph.weights else None


def has_facade(network: Network) -> bool:
    """Say whether the container needs a python model before the graphs: an input may be absent, or strings come out."""
    contract = network.contract
    return bool(contract.variants) or len(contract.computed_outputs) < len(contract.outputs)


def as_parameter(graphs: tuple[ServedGraph, ...]) -> str:
    """Return the JSON text by which a model's process learns of its graphs, one object for each."""
    return json.dumps(
        [
            {"inputs": one.inputs, "file": one.file, "model": one.model, "sha256": one.sha256}
            | {"weights": one.weights is not None}
            for one in graphs
        ]
    )
