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
    constants = _weights(seed, sum(channels), classes)
    small = [int(side) // stride for side in size if isinstance(side, int)]
    last, dtype = _ended(nodes, constants, end, [1, classes, *small])
    axes = {"NCHW": lambda c: [batch, c, *size], "NHWC": lambda c: [batch, *size, c]}[layout]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, axes(count))
        for name, count in zip(names, channels, strict=True)
    ]
    graph = helper.make_graph(nodes, "foreign", inputs, [helper.make_tensor_value_info(last, dtype, None)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="somebody")
    model.ir_version = ir_version
    onnx.save(model, path)
    return path


def _weights(seed: int, channels: int, classes: int) -> list[onnx.TensorProto]:
    """Return the weights of the two convolutions."""
    generator = np.random.default_rng(seed)
    weights = {
        "first": generator.normal(size=(8, channels, 3, 3)) * 0.4,
        "second": generator.normal(size=(classes, 8, 1, 1)),
        "bias": generator.normal(size=classes) * 0.2,
    }
    return [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]


def _ended(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], end: str, shape: list[int]
) -> tuple[str, int]:
    """Write what stands behind the scores; returns name and element type of the output."""
    if not end:
        return "scores", TensorProto.FLOAT
    reading, options = ["scores"], {}
    if end in ("Softmax", "ArgMax"):
        options = {"axis": 1, **({"keepdims": 0} if end == "ArgMax" else {})}
    elif end == "Reshape":
        constants.append(numpy_helper.from_array(np.asarray(shape), "shape"))
        reading.append("shape")
    elif end == "Fixed":  # the sum over the batch: of one sample the sample itself
        constants.append(numpy_helper.from_array(np.asarray([0]), "axis"))
        reading.append("axis")
    nodes.append(helper.make_node("ReduceSum" if end == "Fixed" else end, reading, ["ended"], **options))
    return "ended", TensorProto.INT64 if end == "ArgMax" else TensorProto.FLOAT
