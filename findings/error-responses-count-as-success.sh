#!/usr/bin/env bash
# A python-backend model answers with an error; the client gets the error, and Triton counts a success.
#
# Expected: InferenceResponse(error=TritonError(...)) is the documented way to fail one request of a batch, so it counts
# as a failure like an exception that execute() raises. It is counted in success.count, inference_count and
# nv_inference_request_success; only the exception is a failure. (Also server issues 7713 and 8521.)
set -euo pipefail
. "$(dirname "$0")/_triton.sh"

python_model picky 'max_batch_size: 0
input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }' <<'PYTHON'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "X").as_numpy()) for request in requests]

    def answer(self, x):
        if x[0] == -2:
            raise ValueError("raised")
        if x[0] == -1:
            error = pb_utils.TritonError("answered", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse([], error=error)
        return pb_utils.InferenceResponse([pb_utils.Tensor("Y", x)])
PYTHON
triton_start
"$python" - "$grpc" "$metrics" <<'PYTHON'
import re
import sys
import time
import urllib.request

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferenceServerException, InferInput

client = InferenceServerClient(sys.argv[1])


def send(value):
    x = InferInput("X", [1], "INT32")
    x.set_data_from_numpy(np.array([value], np.int32))
    try:
        return f"Y = {client.infer('picky', [x], client_timeout=20).as_numpy('Y')[0]}"
    except InferenceServerException as error:
        return f"{error.status()}: {error.message().splitlines()[0][:90]}"


def counted():
    statistics = client.get_inference_statistics("picky").model_stats[0]
    text = urllib.request.urlopen(f"http://{sys.argv[2]}/metrics", timeout=20).read().decode()
    sums = {
        name: sum(map(int, re.findall(rf"^{name}\{{.*\}} (\d+)$", text, re.MULTILINE)))
        for name in ("nv_inference_request_success", "nv_inference_request_failure")
    }
    stats = statistics.inference_stats
    return {
        "success.count": stats.success.count,
        "fail.count": stats.fail.count,
        "inference_count": statistics.inference_count,
        **sums,
    }


def show(title, value, *expected):
    print(f"{title}, three times: {[send(value) for _ in range(3)][-1]}")
    for _ in range(25):  # some are counted a moment after the answer
        seen = counted()
        if tuple(seen.values()) == expected:
            break
        time.sleep(0.2)
    print("  ", ", ".join(f"{name} {count}" for name, count in seen.items()))
    if tuple(seen.values()) != expected:
        sys.exit(f"the behaviour has changed; the counts were {expected}")


show("a response with an error", -1, 3, 0, 3, 3, 0)
show("an exception", -2, 3, 3, 3, 3, 3)
show("a response with a tensor", 1, 6, 3, 6, 6, 3)
PYTHON

# Seen:
#   Triton 2.51.0 of nvidia-pytriton 0.7.0, tritonclient 2.73.0, Python 3.11.7
#   a response with an error, three times: StatusCode.INVALID_ARGUMENT: answered
#      success.count 3, fail.count 0, inference_count 3, nv_inference_request_success 3, nv_inference_request_failure 0
#   an exception, three times: StatusCode.INTERNAL: Failed to process the request(s) for model [...]
#      success.count 3, fail.count 3, inference_count 3, nv_inference_request_success 3, nv_inference_request_failure 3
#   a response with a tensor, three times: Y = 1
#      success.count 6, fail.count 3, inference_count 6, nv_inference_request_success 6, nv_inference_request_failure 3
