"""Small graphs as other people export them, written with `onnx.helper`: no PyTorch, weights from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from crosswire.export.adopt.description import Description, description_of

SIZE = (48, 64)
CLASSES = 5
#: What every test that is about something else says of the inputs.
RGB: dict[str, Any] = {
    "role": "rgb",
    "scale": 1 / 255,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
DEPTH: dict[str, Any] = {"role": "depth", "unit": "mm", "mean": [2841.0], "std": [1417.0]}


def said(*inputs: dict[str, Any], task: str = "segmentation", output: dict[str, Any] | None = None) -> Description:
    """Return a description of some inputs and an output."""
    outputs = [] if output is None else [output]
    return description_of({"task": task, "inputs": list(inputs), "outputs": outputs}, Path())


def network(
    path: Path,
    *,
    channels: tuple[int, ...] = (3, 1),
    layout: str = "NCHW",
    size: tuple[int | str, int | str] = SIZE,
    batch: int | str = "n",
    stride: int = 4,
    classes: int = CLASSES,
    opset: int = 17,
    ir_version: int = 8,
    end: str = "",
    seed: int = 0,
) -> Path:
    """Write a network of two convolutions that tells classes of colour and depth.

    Args:
        path: of the file.
        channels: of every input: `image` and `depth`, or one alone.
        layout: of the inputs.
        size: height and width, numbers or names.
        batch: number or name.
        stride: of the output.
        classes: channels of the output.
        opset: version of the operators.
        ir_version: version of the file format.
        end: what stands behind the scores: `Softmax`, `Sigmoid`, `ArgMax`, `Reshape`, which fixes the batch to 1 in a
            shape, or `Fixed`, which fixes it for good.
        seed: of the weights.
    """
    generator = np.random.default_rng(seed)
    names = ["image", "depth"][: len(channels)] if channels[0] == 3 else ["depth"]
    nodes = []
    planes = list(names)
    if layout == "NHWC":
        planes = [f"{name}_planes" for name in names]
        nodes = [
            helper.make_node("Transpose", [name], [plane], perm=[0, 3, 1, 2])
            for name, plane in zip(names, planes, strict=True)
        ]
    nodes += [
        helper.make_node("Concat", planes, ["all"], axis=1),
        helper.make_node("Conv", ["all", "first"], ["seen"], kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4),
        helper.make_node("Relu", ["seen"], ["felt"]),
        helper.make_node("Conv", ["felt", "second", "bias"], ["scores"], kernel_shape=[1, 1]),
    ]
    weights = {
        "first": generator.normal(size=(8, sum(channels), 3, 3)) * 0.4,
        "second": generator.normal(size=(classes, 8, 1, 1)),
        "bias": generator.normal(size=classes) * 0.2,
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    last, kind = "scores", TensorProto.FLOAT
    if end in ("Softmax", "ArgMax"):
        keep = {"keepdims": 0} if end == "ArgMax" else {}
        nodes.append(helper.make_node(end, ["scores"], ["ended"], axis=1, **keep))
        last, kind = "ended", TensorProto.INT64 if end == "ArgMax" else kind
    elif end == "Sigmoid":
        nodes.append(helper.make_node("Sigmoid", ["scores"], ["ended"]))
        last = "ended"
    elif end in ("Reshape", "Fixed"):
        shape = [1, classes, int(size[0]) // stride, int(size[1]) // stride]
        constants.append(numpy_helper.from_array(np.asarray(shape), "shape"))
        nodes.append(helper.make_node("Reshape", ["scores", "shape"], ["ended"]))
        last = "ended"
    if end == "Fixed":  # the sum over the batch: of one sample the sample itself
        constants.append(numpy_helper.from_array(np.asarray([0]), "axis"))
        nodes.append(helper.make_node("ReduceSum", ["scores", "axis"], ["fixed"], keepdims=1))
        nodes[-2] = nodes[-1]
        nodes.pop()
        last = "fixed"
    axes = {"NCHW": lambda c: [batch, c, *size], "NHWC": lambda c: [batch, *size, c]}[layout]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, axes(count))
        for name, count in zip(names, channels, strict=True)
    ]
    graph = helper.make_graph(nodes, "foreign", inputs, [helper.make_tensor_value_info(last, kind, None)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="somebody")
    model.ir_version = ir_version
    onnx.save(model, path)
    return path
