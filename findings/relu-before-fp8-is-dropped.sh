#!/usr/bin/env bash
# ONNX Runtime drops a Relu that stands before a QuantizeLinear to FLOAT8E4M3FN, and negative numbers come through.
#
# Expected: no level of optimisation changes what a graph answers. With an unsigned 8-bit integer whose zero point is 0,
# QuantizeLinear clips at zero by itself, so a Relu before it may go. An 8-bit float has a sign: its zero point is 0.0 as
# ONNX wants it, and it holds numbers down to -448. From ORT_ENABLE_EXTENDED on (the default is ORT_ENABLE_ALL) the Relu
# is dropped there too. A network in 8-bit floats then answers with labels that have little to do with its own.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv onnxruntime==1.32.0 onnx==1.23.2 "numpy<3"
"$python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
X = np.array([-3, -1, 0.5, 2], np.float32)


def network(kind):
    """Relu, then rounding to an 8-bit type and back."""
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    stored = [helper.make_tensor("scale", TensorProto.FLOAT, [], [0.25]), helper.make_tensor("zero", kind, [], [0])]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def answer(model, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0].tolist()


print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}; x = {X.tolist()}")
seen = {}
for name in ("UINT8", "FLOAT8E4M3FN"):
    model = network(getattr(TensorProto, name))
    for level in LEVELS:
        seen[name, level] = answer(model, level)
        print(f"{name}, {level}: {seen[name, level]}")
right, wrong = np.maximum(X, 0).tolist(), X.tolist()
expected = {(name, level): right for name, level in seen}
expected |= {("FLOAT8E4M3FN", level): wrong for level in LEVELS[2:]}
if seen != expected:
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   onnxruntime 1.32.0, onnx 1.23.2; x = [-3.0, -1.0, 0.5, 2.0]
#   UINT8, ORT_DISABLE_ALL: [0.0, 0.0, 0.5, 2.0]
#   UINT8, ORT_ENABLE_BASIC: [0.0, 0.0, 0.5, 2.0]
#   UINT8, ORT_ENABLE_EXTENDED: [0.0, 0.0, 0.5, 2.0]
#   UINT8, ORT_ENABLE_ALL: [0.0, 0.0, 0.5, 2.0]
#   FLOAT8E4M3FN, ORT_DISABLE_ALL: [0.0, 0.0, 0.5, 2.0]
#   FLOAT8E4M3FN, ORT_ENABLE_BASIC: [0.0, 0.0, 0.5, 2.0]
#   FLOAT8E4M3FN, ORT_ENABLE_EXTENDED: [-3.0, -1.0, 0.5, 2.0]
#   FLOAT8E4M3FN, ORT_ENABLE_ALL: [-3.0, -1.0, 0.5, 2.0]
