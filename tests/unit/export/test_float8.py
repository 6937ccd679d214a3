"""Numbers of 8 and of 16 bits are those that others make of the same float32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from crosswire.export.quantization.bfloat16 import _rounded
from crosswire.export.quantization.float8 import _as_float8, nearest_float8


def numbers() -> NDArray[np.float32]:
    """Return numbers of all magnitudes, of both signs, with zeros and halves."""
    chance = np.random.default_rng(0)
    drawn = chance.normal(size=20_000) * np.exp2(chance.integers(-14, 8, 20_000))
    return np.concatenate([drawn, [0.0, -0.0, 448.0, -448.0, 2.0**-9, 2.0**-10, 1.0625, 1.1875]]).astype(np.float32)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT8E4M3FN, TensorProto.BFLOAT16])
def test_numbers_are_rounded_to_the_nearest(kind: int) -> None:
    values = numbers() if kind == TensorProto.BFLOAT16 else np.clip(numbers(), -448, 448)
    made = (_rounded if kind == TensorProto.BFLOAT16 else _as_float8)("x", values)
    assert made.data_type == kind
    found = numpy_helper.to_array(made).astype(np.float32)
    expected = numpy_helper.to_array(onnx.helper.make_tensor("x", kind, values.shape, values)).astype(np.float32)
    assert np.array_equal(found, expected)
    if kind == TensorProto.FLOAT8E4M3FN:
        assert np.array_equal(nearest_float8(values), expected)


def test_what_float8_cannot_hold_becomes_its_largest_number() -> None:
    assert nearest_float8(np.array([1e6, -500.0, 449.0], np.float32)).tolist() == [448.0, -448.0, 448.0]
