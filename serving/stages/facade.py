"""The network of the container, where an input may be absent: a thin model before graphs that native backends run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from export.contract import MODALITIES
from serving.published import GRAPHS_PARAMETER
from serving.stages.answering import Answering
from serving.stages.choose import Arrays, Chooser, Run


class TritonPythonModel:
    """The network inside Triton: it chooses a graph, and asks the model that runs it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Learn of the graphs' models."""
        config = json.loads(args["model_config"])
        outputs = [tensor["name"] for tensor in config["output"]]
        computed = [name for name in outputs if name != MODALITIES]
        graphs = json.loads(config["parameters"][GRAPHS_PARAMETER]["string_value"])
        runs = {tuple(graph["inputs"]): _asking(graph["model"], computed) for graph in graphs}
        self._answering = Answering(
            Chooser(config["name"], runs), [tensor["name"] for tensor in config["input"]], outputs
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run the requests of a dynamic batch together and give each its share."""
        return self._answering.execute(requests)


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
