"""What every stage needs from Triton's python backend, which exists only inside its processes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.limits import WorkerLimits
from serving.stages.cores import granted_cores
from serving.stages.killable import MediaError, Workers

MOST_THREADS = 4  # each may hold several copies of a picture of the largest size
Arrays = dict[str, npt.NDArray[Any]]


def decoder_workers(function: str, limits: WorkerLimits | None = None) -> Workers:
    """Start workers for `package.module:name`, as many as `answer_each` has threads."""
    return Workers(function, limits or WorkerLimits(), min(granted_cores(), MOST_THREADS))


def input_array(request: Any, name: str) -> Any:
    """Return a request's tensor as an array [N, ...], or None if it was left out."""
    import triton_python_backend_utils as pb_utils

    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def answer_each(requests: list[Any], answer: Callable[[Any], Arrays]) -> list[Any]:
    """Answer requests independently and in order.

    Args:
        requests: Triton requests.
        answer: makes the output arrays of one request. A `MediaError` becomes INVALID_ARGUMENT for that request
            alone; anything else becomes INTERNAL, with its trace in Triton's log.

    Returns:
        one Triton response per request.
    """
    if len(requests) == 1:
        return [respond(partial(answer, requests[0]))]
    with ThreadPoolExecutor(min(len(requests), granted_cores(), MOST_THREADS)) as pool:
        return list(pool.map(lambda request: respond(partial(answer, request)), requests))


def respond(answer: Callable[[], Arrays]) -> Any:
    """Return one Triton response, whatever happens while its arrays are made."""
    import triton_python_backend_utils as pb_utils

    try:
        tensors = [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in answer().items()]
        return pb_utils.InferenceResponse(output_tensors=tensors)
    except MediaError as error:
        failure = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
    except Exception as error:
        traceback.print_exc()
        failure = pb_utils.TritonError(f"{type(error).__name__}: {error}", pb_utils.TritonError.INTERNAL)
    return pb_utils.InferenceResponse(output_tensors=[], error=failure)
