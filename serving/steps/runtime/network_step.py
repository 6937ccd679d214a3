"""What the two networks have in common: requests are grouped by graph and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crosswire.contract import MODALITIES
from crosswire.serving.steps.decode.sandbox import MediaError
from crosswire.serving.steps.runtime.graph_choice import Chooser, Inputs, Run
from crosswire.serving.steps.runtime.step import Arrays, BatchStep, StepRequest


class NetworkStep(BatchStep):
    """A network as a step: the graph for what a request brings is chosen and run."""

    def choose(self, config: dict[str, Any], graphs: Mapping[Inputs, Run]) -> None:
        """Choose among graphs from now on.

        Args:
            config: the model's configuration.
            graphs: functions that run them, by the inputs that each takes.
        """
        self._chooser = Chooser(config["name"], graphs)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]

    @staticmethod
    def computed(config: dict[str, Any]) -> list[str]:
        """Return the outputs that a graph computes."""
        return [tensor["name"] for tensor in config["output"] if tensor["name"] != MODALITIES]

    def run_batch(self, requests: Sequence[StepRequest]) -> list[Arrays | MediaError]:
        """Run some requests together; what one of them lacks fails that one alone."""
        answers = self._chooser.run([self._feed(request) for request in requests])
        return [answer if isinstance(answer, MediaError) else self._settled(answer) for answer in answers]

    def run(self, request: StepRequest) -> Arrays:
        """Run one request.

        Raises:
            MediaError: no graph takes what it holds.
        """
        (answer,) = self.run_batch([request])
        if isinstance(answer, MediaError):
            raise answer
        return answer

    def _feed(self, request: StepRequest) -> Arrays:
        """Return the arrays that came."""
        arrays = {name: request.array(name) for name in self._inputs}
        return {name: array for name, array in arrays.items() if array is not None}

    def _settled(self, answer: Arrays) -> Arrays:
        """Return the outputs that a response holds."""
        return {name: answer[name] for name in self._outputs}
