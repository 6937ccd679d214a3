#!/usr/bin/env bash
# TensorRT-RTX parses and supports an INT8 constant without dimensions, and then refuses to build the network.
#
# Expected: a graph that the parser takes and `is_network_supported` approves becomes an engine, or the parser names the
# node. `x * DequantizeLinear(constant)` is what quantisers write for a weight that scales a whole tensor. With a constant
# of shape [1] it builds; with one of shape [], which ONNX means the same by, the parser and `is_network_supported` say yes
# and the builder says "Quantized constant is only allowed before DQ", though it is before a DQ. No GPU is needed to see it.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"

python_venv tensorrt-rtx-cu12-libs==1.7.1.116 tensorrt-rtx-cu12-bindings==1.7.1.116 onnx==1.23.2
"$python" - <<'PYTHON'
import sys

import onnx
import tensorrt_rtx_bindings as trt
from onnx import TensorProto, helper


class Log(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors = []

    def log(self, severity, text):
        if severity <= trt.ILogger.Severity.ERROR:
            self.errors.append(text)


def tried(shape):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4, 8, 8]) for name in "xy")
    nodes = [
        helper.make_node("DequantizeLinear", ["constant", "scale", "zero"], ["weight"]),
        helper.make_node("Mul", ["x", "weight"], ["y"]),
    ]
    stored = [
        helper.make_tensor("constant", TensorProto.INT8, shape, [3]),
        helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("zero", TensorProto.INT8, [], [0]),
    ]
    graph = helper.make_graph(nodes, "graph", [x], [y], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    log = Log()
    builder = trt.Builder(log)
    network = builder.create_network()
    parsed = trt.OnnxParser(network, log).parse(model.SerializeToString())
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    supported = builder.is_network_supported(network, config)
    engine = builder.build_serialized_network(network, config)
    print(f"shape {shape}: parsed {parsed}, supported {supported}, built {engine is not None}")
    for error in log.errors:
        print("  ", error.split(" If this constant")[0])
    return parsed, supported, engine is not None


print(f"tensorrt_rtx {trt.__version__}, onnx {onnx.__version__}")
if (tried([1]), tried([])) != ((True, True, True), (True, True, False)):
    sys.exit("the behaviour has changed")
PYTHON

# Seen:
#   tensorrt_rtx 1.7.1.116, onnx 1.23.2
#   shape [1]: parsed True, supported True, built True
#   shape []: parsed True, supported True, built False
#      IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Quantized constant (constant) is only allowed before DQ or PLUGIN_V2 or kPLUGIN_V3 node.
