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
#: And of clips.
FRAMES: dict[str, Any] = {**RGB, "role": "frames", "rate": 2.0}
WAVEFORM: dict[str, Any] = {"role": "waveform", "rate": 16000.0}


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


def clip_network(
    path: Path,
    *,
    frames: tuple[int | str, ...] | None = None,
    samples: int | str | None = None,
    end: str = "",
    layout: str = "NTCHW",
    seed: int = 0,
) -> Path:
    """Write a network that tells classes of clips: of frames, of sound, or of both.

    Args:
        path: of the file.
        frames: count, height and width, numbers or names; None takes none.
        samples: of sound, a number or a name; None takes none.
        end: what stands behind the scores: `Softmax` or `Sigmoid`.
        layout: of the frames, `NTCHW` or `NCTHW`.
        seed: of the weights.
    """
    generator = np.random.default_rng(seed)
    nodes, inputs, parts, constants = [], [], [], {}
    if frames is not None:
        count, height, width = frames
        sizes: list[int | str] = ["n", count, 3, height, width] if layout == "NTCHW" else ["n", 3, count, height, width]
        inputs.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, sizes))
        axes = [1, 3, 4] if layout == "NTCHW" else [2, 3, 4]
        constants |= {"eyes": np.asarray(axes), "look": generator.normal(size=(3, CLASSES)) * 3}
        nodes += [
            helper.make_node("ReduceMean", ["pixel_values", "eyes"], ["colour"], keepdims=0),
            helper.make_node("MatMul", ["colour", "look"], ["seen"]),
        ]
        parts.append("seen")
    if samples is not None:
        inputs.append(helper.make_tensor_value_info("input_values", TensorProto.FLOAT, ["n", samples]))
        constants |= {
            "one": np.asarray([1]),
            "last": np.asarray([2]),
            "bank": generator.normal(size=(8, 1, 64)) * 0.2,
            "listen": generator.normal(size=(8, CLASSES)) * 3,
        }
        nodes += [
            helper.make_node("Unsqueeze", ["input_values", "one"], ["channel"]),
            helper.make_node("Conv", ["channel", "bank"], ["bands"], strides=[32], kernel_shape=[64]),
            helper.make_node("Abs", ["bands"], ["loudness"]),
            helper.make_node("ReduceMean", ["loudness", "last"], ["heard"], keepdims=0),
            helper.make_node("MatMul", ["heard", "listen"], ["told"]),
        ]
        parts.append("told")
    nodes.append(helper.make_node("Sum", parts, ["logits"]))
    if end:
        nodes.append(helper.make_node(end, ["logits"], ["ended"], **({"axis": 1} if end == "Softmax" else {})))
    output = helper.make_tensor_value_info("ended" if end else "logits", TensorProto.FLOAT, ["n", CLASSES])
    weights = [
        numpy_helper.from_array(value if value.dtype.kind == "i" else value.astype(np.float32), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "clips", inputs, [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="somebody")
    model.ir_version = 8
    onnx.save(model, path)
    return path
