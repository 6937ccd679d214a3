#!/usr/bin/env bash
# model_warmup { batch_size: 3 } shows the model three requests of batch 1, not one request of batch 3.
#
# Expected: batch_size is "the batch size of the inference request", so execute() sees one tensor of shape [3, ...] as
# it does when a client sends one. A python model that computes per request never warms the shape [3, ...]: whatever is
# compiled or planned for it happens in front of the first client. The statistics show a batch of 3 in both cases, and
# count the warm-up as 3 successful requests before any client came.
set -euo pipefail
. "$(dirname "$0")/_triton.sh"

python_model warmed 'max_batch_size: 4
input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }
model_warmup {
  name: "three" batch_size: 3 inputs { key: "X" value { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } }
}' <<'PYTHON'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(request, "X").as_numpy() for request in requests]
        print("execute() got requests of shapes", [array.shape for array in arrays], flush=True)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", array)]) for array in arrays]
PYTHON
triton_start
"$python" - "$grpc" "$work/triton.log" <<'PYTHON'
import sys
import time

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput

client = InferenceServerClient(sys.argv[1])


def shown():
    lines = open(sys.argv[2], encoding="utf-8", errors="replace").read().splitlines()
    calls = [line.partition("shapes ")[2] for line in lines if line.startswith("execute() got")]
    statistics = client.get_inference_statistics("warmed").model_stats[0]
    batches = [(one.batch_size, one.compute_infer.count) for one in statistics.batch_stats]
    return calls, statistics.inference_stats.success.count, batches


def show(title, *expected):
    for _ in range(25):  # some are counted a moment after the answer
        seen = shown()
        if seen == expected:
            break
        time.sleep(0.2)
    print(f"{title}: calls of execute() {'; '.join(seen[0])}")
    print(f"   success.count {seen[1]}, batch_stats as (batch_size, count) {seen[2]}")
    if seen != expected:
        sys.exit(f"the behaviour has changed; it was {expected}")


warm = "[(1, 1), (1, 1), (1, 1)]"
show("after the warm-up of batch_size 3", [warm], 3, [(3, 1)])
x = InferInput("X", [3, 1], "INT32")
x.set_data_from_numpy(np.zeros((3, 1), np.int32))
client.infer("warmed", [x], client_timeout=20)
show("after a client's batch of 3", [warm, "[(3, 1)]"], 4, [(3, 2)])
PYTHON

# Seen:
#   Triton 2.51.0 of nvidia-pytriton 0.7.0, tritonclient 2.73.0, Python 3.11.7
#   after the warm-up of batch_size 3: calls of execute() [(1, 1), (1, 1), (1, 1)]
#      success.count 3, batch_stats as (batch_size, count) [(3, 1)]
#   after a client's batch of 3: calls of execute() [(1, 1), (1, 1), (1, 1)]; [(3, 1)]
#      success.count 4, batch_stats as (batch_size, count) [(3, 2)]
