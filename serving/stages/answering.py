"""From Triton's requests to a chooser of graphs, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from serving.stages.choose import Arrays, Chooser
from serving.stages.pictures import PictureError
from serving.stages.triton import input_array, respond


class Answering:
    """Answers Triton's requests by a chooser.

    Args:
        chooser: runs the graphs.
        inputs: names of the tensors that a request may hold.
        outputs: names of those that it gets.
    """

    def __init__(self, chooser: Chooser, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self._chooser, self._inputs, self._outputs = chooser, inputs, outputs

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run some requests together; return one response per request: what one of them lacks fails that one alone."""
        answers = self._chooser.answer([self._feed(request) for request in requests])
        return [respond(partial(self._settled, answer)) for answer in answers]

    def answer(self, request: Any) -> Arrays:
        """Run one request.

        Raises:
            PictureError: no graph takes what it holds.
        """
        (answer,) = self._chooser.answer([self._feed(request)])
        return self._settled(answer)

    def _feed(self, request: Any) -> Arrays:
        """Return the arrays that came."""
        arrays = {name: input_array(request, name) for name in self._inputs}
        return {name: array for name, array in arrays.items() if array is not None}

    def _settled(self, answer: Arrays | PictureError) -> Arrays:
        """Return the outputs that a response holds, or raise what stands in their place."""
        if isinstance(answer, PictureError):
            raise answer
        return {name: answer[name] for name in self._outputs}
