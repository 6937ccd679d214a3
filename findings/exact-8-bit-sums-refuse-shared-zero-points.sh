#!/usr/bin/env bash
# ONNX Runtime's option for exact 8-bit sums refuses a graph whose quantised weights share a zero point.
#
# `session.x64quantprecision` turns signed weights into unsigned ones, for processors whose 8-bit products saturate.
# Expected: a session that opens without it opens with it. Two DequantizeLinear of two weights may read one zero point
# (every one of symmetric weights is 0), and one weight may serve two convolutions; both are valid ONNX. The option
# converts an initializer once per reader, under one name, and the second time raises. Where every weight has a weight
# and a zero point of its own, the same network opens.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv onnxruntime==1.32.0 onnx==1.23.2 "numpy<3"
"$python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def network(second_weight, second_zero):
    """Two convolutions in QDQ form; the names say what the second one reads."""
    values = np.random.default_rng(0).integers(-127, 128, (4, 4, 3, 3)).astype(np.int8)
    stored = {"scale": np.float32(0.02), "middle": np.uint8(128), "step": np.float32(0.01)}
    stored |= {"w1": values, "zero1": np.int8(0), second_weight: values, second_zero: np.int8(0)}
    nodes = [helper.make_node("DequantizeLinear", ["w1", "step", "zero1"], ["float1"])]
    second = "float1"
    if second_weight != "w1":
        second = "float2"
        nodes.append(helper.make_node("DequantizeLinear", [second_weight, "step", second_zero], [second]))

    def rounded(name):
        nodes.append(helper.make_node("QuantizeLinear", [name, "scale", "middle"], [f"{name}_8"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_8", "scale", "middle"], [f"{name}_r"]))
        return f"{name}_r"

    nodes.append(helper.make_node("Conv", [rounded("x"), "float1"], ["a"], pads=[1] * 4))
    nodes.append(helper.make_node("Conv", [rounded("a"), second], ["b"], pads=[1] * 4))
    last = rounded("b")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 8, 8]) for name in ("x", last)]
    graph = helper.make_graph(
        nodes, "graph", ends[:1], ends[1:], [numpy_helper.from_array(np.asarray(v), k) for k, v in stored.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def opened(model, exact):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", exact)
    try:
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return str(error).split(" : ")[-1].strip()
    return "opens"


print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
seen = []
for words, model in (
    ("all their own", network("w2", "zero2")),
    ("one zero point", network("w2", "zero1")),
    ("one weight", network("w1", "zero1")),
):
    seen += [opened(model, exact) for exact in "01"]
    print(f"{words}: without the option {seen[-2]}, with it {seen[-1]}")
good = [text == "opens" for text in seen]
if good != [True, True, True, False, True, False]:
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   onnxruntime 1.32.0, onnx 1.23.2
#   all their own: without the option opens, with it opens
#   one zero point: without the option opens, with it graph.cc:4164 AddInitializedOrtValue Attempt to replace the existing tensor
#   one weight: without the option opens, with it graph.cc:4164 AddInitializedOrtValue Attempt to replace the existing tensor
