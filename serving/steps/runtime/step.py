"""What a step of a pipeline is: a request in, arrays out. `triton` makes a model of one, `in_process` of several."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crosswire.serving.config.limits import WorkerLimits
from crosswire.serving.steps.decode.sandbox import MediaError, Workers
from crosswire.serving.steps.runtime.cores import granted_cores

MOST_THREADS = 4  # each may hold several copies of an image of the largest size
Arrays = dict[str, npt.NDArray[Any]]


class LateError(Exception):
    """Nobody waits for the answer to a request any more."""


@dataclass(frozen=True)
class StepRequest:
    """What one request brings, and what it wants.

    Attributes:
        array: returns the input of a name, [N, ...], or None if it was left out.
        wanted: names of the outputs that somebody asked for.
        held: ends once the request is answered.
        deadline: when nobody waits for the answer any more, microseconds on the monotonic clock.
        begun: what the step's `foresee` returned, or None.
        trace: the trace that it belongs to, as the gateway says it, or None.
    """

    array: Callable[[str], Any]
    wanted: frozenset[str]
    held: ExitStack
    deadline: float = math.inf
    begun: Any = None
    trace: str | None = None

    def check_time(self) -> None:
        """Raise `LateError` if nobody waits for the answer any more."""
        if time.monotonic() * 1e6 > self.deadline:
            raise LateError("its time is over; send less at once or allow more time")


class Step(ABC):
    """One step; safe to use from several threads.

    It is made of its model's configuration, as JSON has it, and of the folder that holds its files.
    """

    @abstractmethod
    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        """Make ready for requests."""

    def foresee(self, request: StepRequest) -> Any:
        """Begin with what needs only what the client sent, if there is room for it, while other steps are at work."""
        return None

    @abstractmethod
    def run(self, request: StepRequest) -> Arrays:
        """Return the output arrays of one request; those that nobody wants may hold anything.

        Raises:
            MediaError: becomes INVALID_ARGUMENT for that request alone; anything else becomes INTERNAL, with its trace
                in Triton's log.
        """

    def at_once(self) -> int:
        """Return how many requests to answer at a time: as many as there are cores, within `MOST_THREADS`."""
        return most_at_once()

    def close(self) -> None:  # noqa: B027
        """End what it started; nothing is being answered any more."""


class BatchStep(Step):
    """A step that can run several requests as one batch."""

    #: Whether requests that come together are answered together.
    together = False

    @abstractmethod
    def run_batch(self, requests: Sequence[StepRequest]) -> list[Arrays | MediaError]:
        """Return the answers to several requests, or why one of them cannot be answered."""


def most_at_once() -> int:
    """Return how many requests a step answers at a time."""
    return min(granted_cores(), MOST_THREADS)


def decoder_workers(function: str, limits: WorkerLimits | None = None) -> Workers:
    """Start workers for `package.module:name`, one for each request that is answered at a time."""
    return Workers(function, limits or WorkerLimits(), most_at_once())


def column(items: Sequence[bytes]) -> npt.NDArray[Any]:
    """Return byte strings as a BYTES tensor [N, 1]."""
    return np.array(items, dtype=np.object_).reshape(-1, 1)
