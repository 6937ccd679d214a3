"""Which graph of a network answers a sample: the one that was trained for exactly the inputs that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.contract import MODALITIES
from crosswire.serving.steps.media.images import ImageError

#: Optional input of a network with variants: per sample the names of the inputs that are there, joined by `+`.
PRESENT = "present"
#: Name of `MODALITIES` on its way through a pipeline.
USED = "used"

Arrays = dict[str, npt.NDArray[Any]]
Inputs = tuple[str, ...]
Run = Callable[[Arrays], Arrays]


class Chooser:
    """Groups the samples of some requests by what is there, and runs every group as one batch on its own graph.

    Nothing stands in for an input that is absent: a graph that was not trained without it never sees such a sample.
    """

    def __init__(self, network: str, graphs: Mapping[Inputs, Run]) -> None:
        """Take the network's name and, by the inputs that each takes, functions that run its graphs."""
        self._network = network
        self._graphs = graphs
        self._names = max(graphs, key=len)

    def run(self, requests: Sequence[Arrays]) -> list[Arrays | ImageError]:
        """Answer several requests.

        Args:
            requests: per request the arrays that came by input name, each [n, ...]; `PRESENT` [n, 1] may be one.

        Returns:
            per request its output arrays by name, each [n, ...], with `MODALITIES` [n, 1] among them; or why it cannot
            be answered.
        """
        answers: list[Arrays | ImageError] = []
        groups: dict[Inputs, list[tuple[int, npt.NDArray[np.intp]]]] = {}
        for index, request in enumerate(requests):
            try:
                samples = self._present(request)
            except ImageError as error:
                answers.append(error)
                continue
            answers.append({})
            for inputs in dict.fromkeys(samples):
                rows = np.flatnonzero([one == inputs for one in samples])
                groups.setdefault(inputs, []).append((index, rows))
        for inputs, members in groups.items():
            results = self._graphs[inputs](_gathered(requests, inputs, members))
            _scatter(results, inputs, requests, members, answers)
        return answers

    def _present(self, request: Arrays) -> list[Inputs]:
        """Return the inputs that are there, per sample.

        Raises:
            ImageError: no graph was trained for exactly these.
        """
        came = [name for name in self._names if name in request]
        told = request.get(PRESENT)
        count = len(next(iter(request.values()))) if request else 1
        samples = [tuple(came)] * count if told is None else [_told(item, came) for item in told[:, 0]]
        for sample in samples:
            if sample not in self._graphs:
                known = ", or ".join("+".join(inputs) for inputs in self._graphs)
                raise ImageError(
                    f"network {self._network!r} got {'+'.join(sample) or 'none of its inputs'}; "
                    f"it was trained to answer with {known}: send one of these"
                )
        return samples


def _told(item: bytes, came: Sequence[str]) -> Inputs:
    """Return the inputs that one sample says are there."""
    names = [name for name in item.decode("utf-8", "replace").split("+") if name]
    if wrong := [name for name in names if name not in came]:
        raise ImageError(f"{PRESENT} names {wrong[0][:60]!r}, which did not come; came: {', '.join(came) or 'nothing'}")
    return tuple(name for name in came if name in names)


def _gathered(requests: Sequence[Arrays], inputs: Inputs, members: Sequence[tuple[int, Any]]) -> Arrays:
    """Return the samples of one group as one batch."""

    def taken(index: int, rows: Any, name: str) -> npt.NDArray[Any]:
        array = requests[index][name]
        return array if len(rows) == len(array) else array[rows]

    if len(members) == 1:
        return {name: taken(*members[0], name) for name in inputs}
    return {name: np.concatenate([taken(*member, name) for member in members]) for name in inputs}


def _scatter(
    results: Arrays,
    inputs: Inputs,
    requests: Sequence[Arrays],
    members: Sequence[tuple[int, Any]],
    answers: list[Arrays | ImageError],
) -> None:
    """Give every request its samples of a group's answer."""
    start = 0
    for index, rows in members:
        part = {name: result[start : start + len(rows)] for name, result in results.items()}
        part[MODALITIES] = np.full((len(rows), 1), "+".join(inputs).encode(), np.object_)
        start += len(rows)
        answer = answers[index]
        assert isinstance(answer, dict)
        count = len(next(iter(requests[index].values())))
        if len(rows) == count:
            answer.update(part)
            continue
        for name, array in part.items():
            whole = answer.setdefault(name, np.empty((count, *array.shape[1:]), array.dtype))
            whole[rows] = array
