"""Graphs with convolutions in float8 (e4m3), for TensorRT alone: 4 significant bits, a range of 448 around zero.

Ranges are those that are measured for 8-bit integers; the largest magnitude becomes the largest number of float8. ONNX
Runtime's processor runs the same graph for the proofs: it takes the numbers apart and computes in float32.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from crosswire.export.graph_file import save
from crosswire.export.quantization.quantiser import Quantiser

#: First operator set whose quantisation has float8.
FLOAT8_OPSET = 19
_LARGEST_INT8, _LARGEST_FLOAT8 = 127.0, 448.0
_SMALLEST_EXPONENT, _MANTISSA_BITS = -6, 3


class Float8Quantiser(Quantiser):
    """Quantises one graph to float8, with any set of layers left in float; see `Quantiser`."""

    name = "fp8"

    def write(self, kept: Collection[str], path: Path) -> None:
        """Write the quantised graph; see `Quantiser.write`."""
        super().write(kept, path)
        model = onnx.load(path)
        exact = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(self.path).graph.initializer}
        _to_float8(model, exact)
        del model.opset_import[:]
        model.opset_import.append(helper.make_opsetid("", FLOAT8_OPSET))
        save(model, path)


def nearest_float8(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return numbers rounded to the nearest of float8, those beyond its range to the largest.

    Args:
        values: any shape.
    """
    clipped = np.clip(values, -_LARGEST_FLOAT8, _LARGEST_FLOAT8)
    exponent = np.floor(np.log2(np.maximum(np.abs(clipped), 2.0**_SMALLEST_EXPONENT)))
    step = np.exp2(exponent - _MANTISSA_BITS).astype(np.float32)
    return np.asarray(np.round(clipped / step) * step, np.float32)


def _to_float8(model: onnx.ModelProto, exact: dict[str, NDArray[np.float32]]) -> None:
    """Turn the quantisation of a graph to symmetric 8-bit integers into one to float8.

    Args:
        model: the graph; its integer weights are named after those that they were made of.
        exact: weights of the graph in float, by name.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    scaled: set[str] = set()
    for node in nodes:
        scale, zero = stored[node.input[1]], stored[node.input[2]]
        if scale.name not in scaled:
            scaled.add(scale.name)
            narrower = numpy_helper.to_array(scale) * np.float32(_LARGEST_INT8 / _LARGEST_FLOAT8)
            scale.CopyFrom(numpy_helper.from_array(narrower.astype(np.float32), scale.name))
        if zero.data_type == TensorProto.INT8:
            zero.CopyFrom(_as_float8(zero.name, np.zeros(tuple(zero.dims), np.float32)))
    for node in nodes:
        weight = stored.get(node.input[0])
        if node.op_type == "DequantizeLinear" and weight is not None and weight.data_type == TensorProto.INT8:
            values = exact[weight.name.removesuffix("_quantized")]
            scales = numpy_helper.to_array(stored[node.input[1]])
            along = scales.reshape(-1, *[1] * (values.ndim - 1)) if scales.ndim else scales
            weight.CopyFrom(_as_float8(weight.name, values / along))


def _as_float8(name: str, values: NDArray[np.float32]) -> TensorProto:
    """Return numbers as a tensor of float8."""
    near = nearest_float8(values)
    magnitude = np.abs(near)
    exponent = np.floor(np.log2(np.maximum(magnitude, 2.0**_SMALLEST_EXPONENT)))
    mantissa = np.round(magnitude / np.exp2(exponent - _MANTISSA_BITS))  # with its leading one, if it has one
    normal = mantissa >= 1 << _MANTISSA_BITS
    bits = np.where(normal, ((exponent + 7) * 8) + mantissa - 8, mantissa).astype(np.uint8)
    bits |= np.where(np.signbit(near), np.uint8(0x80), np.uint8(0))
    return helper.make_tensor(name, TensorProto.FLOAT8E4M3FN, values.shape, bits.tobytes(), raw=True)
