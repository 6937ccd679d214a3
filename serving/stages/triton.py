"""What every stage needs from Triton's python backend, which exists only inside its processes."""

from __future__ import annotations

import json
import math
import queue
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.limits import WorkerLimits
from serving.published import DEADLINE
from serving.stages.cores import granted_cores
from serving.stages.killable import MediaError, Workers
from serving.stages.step_meter import StepMeter

MOST_THREADS = 4  # each may hold several copies of a picture of the largest size
_FINISH_SECONDS = 10.0
Arrays = dict[str, npt.NDArray[Any]]


class Each(ABC):
    """A model that answers requests one by one, several at a time, each as soon as its answer is there.

    Triton waits for `execute` before it hands over the next requests. Were it to return the answers, all would wait for
    the slowest, every step would stand still while the next one works, and requests would move in convoys. So `execute`
    only sees to it that work is begun. It returns when one request at most waits for a thread, so that none is idle
    while Triton brings the next one; all others wait in Triton, and the front door bounds how many.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Make ready for requests; what answers them must be there before the first one comes."""
        threads = self.at_once()
        self._places = threads + 1
        self._free = threading.Semaphore(self._places)
        self._waiting: queue.SimpleQueue[tuple[Any, float]] = queue.SimpleQueue()
        self.meter = StepMeter(args["model_name"])
        for _ in range(threads):  # daemons: one that cannot hand its answer to a dead Triton must not stay for that
            threading.Thread(target=self._work, daemon=True).start()

    def at_once(self) -> int:
        """Return how many requests to answer at a time: as many as there are cores, within `MOST_THREADS`."""
        return most_at_once()

    @abstractmethod
    def answer(self, request: Any) -> Arrays:
        """Return the output arrays of one request.

        Raises:
            MediaError: becomes INVALID_ARGUMENT for that request alone; anything else becomes INTERNAL, with its trace
                in Triton's log.
        """

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Begin with every request; the answers come later."""
        came = time.monotonic()
        for request in requests:
            self._free.acquire()
            self._waiting.put((request, came))
        with self._free:
            return None

    def finalize(self) -> None:
        """Wait for what is being answered, but not for ever: a Triton that died takes no answer."""
        deadline = time.monotonic() + _FINISH_SECONDS
        for _ in range(self._places):
            self._free.acquire(timeout=max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        """Answer what is waiting, one after the other."""
        while True:
            request, came = self._waiting.get()
            try:
                self._settle(request)
                self.meter.add(1, time.monotonic() - came)
            except Exception:
                traceback.print_exc()
            finally:
                del request
                self._free.release()

    def _answer_in_time(self, request: Any) -> Arrays:
        """Answer one request that somebody waits for."""
        if time.monotonic() * 1e6 > json.loads(request.parameters() or "{}").get(DEADLINE, math.inf):
            raise LateError("its time is over; send less at once or allow more time")
        return self.answer(request)

    def _settle(self, request: Any) -> None:
        """Answer one request."""
        import triton_python_backend_utils as pb_utils

        tensors, failure = settled(partial(self._answer_in_time, request))
        # Sending frees the tensors that nobody asked for, without the interpreter's lock: `tensors` holds them longer.
        response = pb_utils.InferenceResponse(output_tensors=tensors, error=failure)
        request.get_response_sender().send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class LateError(Exception):
    """Nobody waits for the answer to a request any more."""


def most_at_once() -> int:
    """Return how many requests a stage answers at a time."""
    return min(granted_cores(), MOST_THREADS)


def decoder_workers(function: str, limits: WorkerLimits | None = None) -> Workers:
    """Start workers for `package.module:name`, one for each request that is answered at a time."""
    return Workers(function, limits or WorkerLimits(), most_at_once())


def input_array(request: Any, name: str) -> Any:
    """Return a request's tensor as an array [N, ...], or None if it was left out."""
    import triton_python_backend_utils as pb_utils

    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def respond(answer: Callable[[], Arrays]) -> Any:
    """Return one Triton response, whatever happens while its arrays are made."""
    import triton_python_backend_utils as pb_utils

    tensors, failure = settled(answer)
    return pb_utils.InferenceResponse(output_tensors=tensors, error=failure)


def settled(answer: Callable[[], Arrays]) -> tuple[list[Any], Any]:
    """Return the tensors of an answer, or none and the error that happened while they were made."""
    import triton_python_backend_utils as pb_utils

    try:
        return [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in answer().items()], None
    except MediaError as error:
        return [], pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
    except LateError as error:
        return [], pb_utils.TritonError(str(error), pb_utils.TritonError.UNAVAILABLE)
    except Exception as error:
        traceback.print_exc()
        return [], pb_utils.TritonError(f"{type(error).__name__}: {error}", pb_utils.TritonError.INTERNAL)
