#!/usr/bin/env bash
# Triton forgets a request's `binary_data_output` as soon as the request names its outputs.
#
# Expected: the binary tensor extension of the KServe protocol calls it a default: an output of the request that has no
# `binary_data` of its own takes it from `binary_data_output`. That holds only where the request names no outputs. With
# `"outputs": [{"name": "Y"}]` the same answer comes as JSON numbers, several times as long and slower to read; the
# client library hides this, for it writes `binary_data` to every output.
set -euo pipefail
. "$(dirname "$0")/_triton.sh"

same_model
triton_start
"$python" - "$http" <<'PYTHON'
import json
import sys
import urllib.request

LENGTH = "Inference-Header-Content-Length"


def kind(request):
    """Return how Y came back."""
    x = {"name": "X", "shape": [4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    body = json.dumps({"inputs": [x], **request}).encode()
    asked = urllib.request.Request(f"http://{sys.argv[1]}/v2/models/same/infer", body)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        data, length = answer.read(), answer.headers.get(LENGTH)
    head = json.loads(data if length is None else data[: int(length)])
    return "JSON" if "data" in head["outputs"][0] else "binary"


wanted = {"parameters": {"binary_data_output": True}}
named = {"name": "Y"}
cases = (
    ("binary_data_output alone", wanted, "binary"),
    ("binary_data_output, Y named", {**wanted, "outputs": [named]}, "JSON"),
    ("binary_data of Y", {"outputs": [{**named, "parameters": {"binary_data": True}}]}, "binary"),
)
changed = False
for title, request, expected in cases:
    seen = kind(request)
    print(f"{title}: {seen}")
    changed |= seen != expected
if changed:
    sys.exit(f"the behaviour has changed; expected {[expected for *_, expected in cases]}")
PYTHON

# Seen:
#   Triton 2.51.0 of nvidia-pytriton 0.7.0, tritonclient 2.73.0, Python 3.11.7
#   binary_data_output alone: binary
#   binary_data_output, Y named: JSON
#   binary_data of Y: binary
