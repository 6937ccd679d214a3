"""What the two networks have in common: a chooser of graphs that answers questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crosswire.contract import MODALITIES
from crosswire.serving.steps.decode.sandbox import MediaError
from crosswire.serving.steps.runtime.graph_choice import Chooser, Inputs, Run
from crosswire.serving.steps.runtime.step import Arrays, BatchStep, StepRequest


class Answering(BatchStep):
    """Answers by a chooser of graphs."""

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

    def answer_together(self, questions: Sequence[StepRequest]) -> list[Arrays | MediaError]:
        """Run some requests together; what one of them lacks fails that one alone."""
        answers = self._chooser.answer([self._feed(question) for question in questions])
        return [answer if isinstance(answer, MediaError) else self._settled(answer) for answer in answers]

    def answer(self, question: StepRequest) -> Arrays:
        """Run one request.

        Raises:
            MediaError: no graph takes what it holds.
        """
        (answer,) = self.answer_together([question])
        if isinstance(answer, MediaError):
            raise answer
        return answer

    def _feed(self, question: StepRequest) -> Arrays:
        """Return the arrays that came."""
        arrays = {name: question.array(name) for name in self._inputs}
        return {name: array for name, array in arrays.items() if array is not None}

    def _settled(self, answer: Arrays) -> Arrays:
        """Return the outputs that a response holds."""
        return {name: answer[name] for name in self._outputs}
