"""The network of the container, where an input may be absent: a thin model before graphs that native backends run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosswire.serving.repository.published import GRAPHS_PARAMETER
from crosswire.serving.steps.runtime.graph_choice import Run
from crosswire.serving.steps.runtime.network_step import NetworkStep
from crosswire.serving.steps.runtime.step import Arrays


class NetworkFacade(NetworkStep):
    """The network inside Triton: it chooses a graph, and asks the model that runs it."""

    together = True

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Learn of the graphs' models."""
        outputs = self.computed(config)
        graphs = json.loads(config["parameters"][GRAPHS_PARAMETER]["string_value"])
        self.choose(config, {tuple(graph["inputs"]): _asking(graph["model"], outputs) for graph in graphs})


def _asking(model: str, outputs: Sequence[str]) -> Run:
    """Return a function that has another model of this Triton run arrays by name."""

    def run(feed: Arrays) -> Arrays:
        import triton_python_backend_utils as pb_utils

        tensors = [pb_utils.Tensor(name, array) for name, array in feed.items()]
        request = pb_utils.InferenceRequest(
            model_name=model, requested_output_names=list(outputs), inputs=tensors, preferred_memory=_on_cpu(pb_utils)
        )
        answer = request.exec()
        if answer.has_error():
            raise RuntimeError(f"{model}: {answer.error().message()}")
        return {tensor.name(): tensor.as_numpy() for tensor in answer.output_tensors()}

    return run


def _on_cpu(pb_utils: Any) -> Any:
    """Return the wish to have answers in main memory, where numpy can read them."""
    return pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU)
