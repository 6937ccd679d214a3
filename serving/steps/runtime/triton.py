"""A step as a model of Triton's python backend, which exists only inside its processes."""

from __future__ import annotations

import json
import math
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from crosswire.serving.repository.published import ASKED, DEADLINE, INSTANCE, TRACE
from crosswire.serving.steps.decode.sandbox import MediaError
from crosswire.serving.steps.runtime import spans
from crosswire.serving.steps.runtime.step import Arrays, BatchStep, LateError, Step, StepRequest
from crosswire.serving.steps.runtime.step_metrics import StepMetrics, samples_in

_FINISH_SECONDS = 10.0


@dataclass(frozen=True)
class _Settled:
    """What a request gets.

    Attributes:
        samples: how many it has, 0 if it gets an error.
        tensors: Triton's, of its answer.
        failure: Triton's error in the place of an answer, or None.
    """

    samples: int = 0
    tensors: Sequence[Any] = ()
    failure: Any = None

    def response(self) -> Any:
        """Return Triton's response."""
        import triton_python_backend_utils as pb_utils

        return pb_utils.InferenceResponse(output_tensors=list(self.tensors), error=self.failure)


class StepModel:
    """A model that answers requests one by one, several at a time, each as soon as its answer is there.

    Triton waits for `execute` before it hands over the next requests. Were it to return the answers, all would wait for
    the slowest, every step would stand still while the next one works, and requests would move in convoys. So `execute`
    only sees to it that work is begun. It returns when one request at most waits for a thread, so that none is idle
    while Triton brings the next one; all others wait in Triton, and the gateway bounds how many. A step that answers
    requests `together` is the exception: its `execute` does return the answers.
    """

    def __init__(self, make: Callable[[dict[str, Any], Path], Step]) -> None:
        """Take the class of the step."""
        self._make = make

    def initialize(self, args: dict[str, str]) -> None:
        """Make ready for requests; what answers them must be there before the first one comes."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self._name = args["model_name"]
        config = {**json.loads(args["model_config"]), INSTANCE: args.get("model_instance_name", "")}
        self._step = self._make(config, folder)
        self._metrics = StepMetrics(self._name)
        spans.get_ready()
        self._batches = self._step if isinstance(self._step, BatchStep) and self._step.together else None
        threads = 0 if self._batches else self._step.at_once()
        self._places = threads + 1
        self._free = threading.Semaphore(self._places)
        self._waiting: queue.SimpleQueue[tuple[Any, float]] = queue.SimpleQueue()
        for _ in range(threads):  # daemons: one that cannot hand its answer to a dead Triton must not stay for that
            threading.Thread(target=self._work, daemon=True).start()

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Begin with every request, or answer all of them if the step answers them together."""
        came = time.monotonic()
        if self._batches:
            with ExitStack() as held:
                step_requests = [_step_request(request, held) for request in requests]
                answers = self._batches.run_batch(step_requests)
            settled = [
                _settled(partial(self._told, step_request, answer, came))
                for step_request, answer in zip(step_requests, answers, strict=True)
            ]
            self._count([one.samples for one in settled], time.monotonic() - came)
            return [one.response() for one in settled]
        for request in requests:
            self._free.acquire()
            self._waiting.put((request, came))
            time.sleep(0)  # the thread that takes it would wait until Triton has been told that this is done
        with self._free:
            return None

    def finalize(self) -> None:
        """Wait for what is being answered, but not for ever: a Triton that died takes no answer."""
        deadline = time.monotonic() + _FINISH_SECONDS
        for _ in range(self._places):
            self._free.acquire(timeout=max(0.0, deadline - time.monotonic()))
        self._step.close()
        spans.send_rest()

    def _work(self) -> None:
        """Answer what is waiting, one after the other."""
        while True:
            request, came = self._waiting.get()
            try:
                samples = self._settle(request, came)
                self._count([samples], time.monotonic() - came)
            except Exception:
                traceback.print_exc()
            finally:
                del request
                self._free.release()

    def _settle(self, request: Any, came: float) -> int:
        """Answer one request; return how many samples it is of, 0 for one that gets an error."""
        import triton_python_backend_utils as pb_utils

        settled = _settled(partial(self._answer_in_time, request, came))
        # Sending frees the tensors that nobody asked for, without the interpreter's lock: `settled` holds them longer.
        request.get_response_sender().send(settled.response(), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return settled.samples

    def _count(self, samples: Sequence[int], seconds: float) -> None:
        """Count requests that took so long, by their samples; 0 stands for an error, to Triton an answer like any."""
        self._metrics.answered([one for one in samples if one], seconds)
        for _ in range(samples.count(0)):
            self._metrics.failed(seconds)

    def _answer_in_time(self, request: Any, came: float) -> Arrays:
        """Answer one request that somebody waits for."""
        with ExitStack() as held:
            step_request = _step_request(request, held)
            with spans.followed(self._name, step_request.trace, came):
                step_request.check_time()
                return self._step.run(step_request)

    def _told(self, step_request: StepRequest, answer: Arrays | MediaError, came: float) -> Arrays:
        """Return the arrays of an answer, or raise what stands in their place; its span ends here."""
        with spans.followed(self._name, step_request.trace, came):
            if isinstance(answer, MediaError):
                raise answer
            return answer


def _step_request(request: Any, held: ExitStack) -> StepRequest:
    """Return what one of Triton's requests brings and wants.

    An ensemble asks its steps for every output, so the gateway says which of them its client asked for.

    Args:
        request: of Triton's.
        held: ends once it is answered.
    """
    parameters = json.loads(request.parameters() or "{}")
    asked = parameters.get(ASKED)
    names = request.requested_output_names() if asked is None else asked.split(",")
    return StepRequest(
        partial(_input_array, request),
        frozenset(names),
        held,
        deadline=parameters.get(DEADLINE, math.inf),
        trace=parameters.get(TRACE),
    )


def _input_array(request: Any, name: str) -> Any:
    """Return a request's tensor as an array [N, ...], or None if it was left out."""
    import triton_python_backend_utils as pb_utils

    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _settled(answer: Callable[[], Arrays]) -> _Settled:
    """Return the tensors of an answer, or the error that happened while they were made."""
    import triton_python_backend_utils as pb_utils

    try:
        arrays = answer()
        tensors = [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in arrays.items()]
        return _Settled(samples_in(arrays), tensors)
    except MediaError as error:
        return _Settled(failure=pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
    except LateError as error:
        return _Settled(failure=pb_utils.TritonError(str(error), pb_utils.TritonError.UNAVAILABLE))
    except Exception as error:
        traceback.print_exc()
        return _Settled(failure=pb_utils.TritonError(f"{type(error).__name__}: {error}", pb_utils.TritonError.INTERNAL))
