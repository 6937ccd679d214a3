"""The graphs of one network, and under which names the two runtimes find them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from serving.published import GRAPH_FILE
from serving.repository import Network


@dataclass(frozen=True)
class ServedGraph:
    """One graph.

    Attributes:
        inputs: names of the inputs that it takes; it answers when exactly these are present.
        source: its file.
        sha256: the file's hash.
        file: its name in the version folder of the embedded network.
        model: the model that runs it in the container.
    """

    inputs: tuple[str, ...]
    source: Path
    sha256: str
    file: str
    model: str


def graphs_of(network: Network) -> tuple[ServedGraph, ...]:
    """Return the graph that takes every input, then those of the variants."""
    contract = network.contract
    names = tuple(spec.name for spec in contract.inputs)
    model = f"{contract.name}_net" if has_facade(network) else contract.name
    whole = ServedGraph(names, network.graph, contract.graph.sha256, GRAPH_FILE, model)
    lesser = (
        ServedGraph(
            variant.inputs,
            source,
            variant.graph.sha256,
            f"model.{'.'.join(variant.inputs)}.onnx",
            f"{model}_{'_'.join(variant.inputs)}",
        )
        for variant, source in zip(contract.variants, network.variants, strict=True)
    )
    return (whole, *lesser)


def has_facade(network: Network) -> bool:
    """Say whether the container needs a python model before the graphs: an input may be absent, or strings come out."""
    contract = network.contract
    return bool(contract.variants) or len(contract.computed_outputs) < len(contract.outputs)


def as_parameter(graphs: tuple[ServedGraph, ...]) -> str:
    """Return the JSON text by which a model's process learns of its graphs: `inputs`, `file`, `model`, `sha256`."""
    plain = [dataclasses.asdict(graph) for graph in graphs]
    return json.dumps([{key: one[key] for key in ("inputs", "file", "model", "sha256")} for one in plain])
