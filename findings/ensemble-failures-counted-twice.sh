#!/usr/bin/env bash
# A failed request of an ensemble adds 2 to its fail.count, in ModelStatistics and in nv_inference_request_failure.
#
# Expected: three requests that fail are three failures, for the step and for the ensemble around it, as they are for a
# model that is called by itself. The step counts 3, the ensemble 6; three that succeed are 3 for both. So an error rate
# made as fail / (fail + success) shows 67 % for an ensemble when every second request fails.
set -euo pipefail
. "$(dirname "$0")/_triton.sh"

tensors='max_batch_size: 0
input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }'
python_model step "$tensors" <<'PYTHON'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(request, "X").as_numpy() for request in requests]
        if min(arrays) < 0:
            raise ValueError("X is below zero")
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", array)]) for array in arrays]
PYTHON
ensemble whole "$tensors
ensemble_scheduling { step {
  model_name: \"step\" model_version: -1 input_map { key: \"X\" value: \"X\" } output_map { key: \"Y\" value: \"Y\" }
} }"
triton_start
"$python" - "$grpc" "$metrics" <<'PYTHON'
import re
import sys
import time
import urllib.request

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferenceServerException, InferInput

client = InferenceServerClient(sys.argv[1])


def send(model, value):
    x = InferInput("X", [1], "INT32")
    x.set_data_from_numpy(np.array([value], np.int32))
    try:
        return f"Y = {client.infer(model, [x], client_timeout=20).as_numpy('Y')[0]}"
    except InferenceServerException as error:
        return f"error: {error.message().splitlines()[0][:120]}"


def counted(model):
    statistics = client.get_inference_statistics(model).model_stats[0].inference_stats
    text = urllib.request.urlopen(f"http://{sys.argv[2]}/metrics", timeout=20).read().decode()
    failures = re.findall(rf'^nv_inference_request_failure\{{model="{model}",.*\}} (\d+)$', text, re.MULTILINE)
    return statistics.success.count, statistics.fail.count, sum(map(int, failures))


for value in (-1, -2, -3, 1, 2, 3):
    print(f"whole({value}):", send("whole", value))
expected = {"step": (3, 3, 3), "whole": (3, 6, 6)}
for _ in range(25):  # some are counted a moment after the answer
    seen = {model: counted(model) for model in expected}
    if seen == expected:
        break
    time.sleep(0.2)
for model, (success, fail, failures) in seen.items():
    print(f"{model}: success.count {success}, fail.count {fail}, nv_inference_request_failure {failures}")
if seen != expected:
    sys.exit(f"the behaviour has changed; it was {expected}")
PYTHON

# Seen:
#   Triton 2.51.0 of nvidia-pytriton 0.7.0, tritonclient 2.73.0, Python 3.11.7
#   whole(-1): error: in ensemble 'whole', Failed to process the request(s) for model 'step_0_0', message: [...]
#   whole(-2): error: in ensemble 'whole', Failed to process the request(s) for model 'step_0_0', message: [...]
#   whole(-3): error: in ensemble 'whole', Failed to process the request(s) for model 'step_0_0', message: [...]
#   whole(1): Y = 1
#   whole(2): Y = 2
#   whole(3): Y = 3
#   step: success.count 3, fail.count 3, nv_inference_request_failure 3
#   whole: success.count 3, fail.count 6, nv_inference_request_failure 6
