"""What the elements of a raw floating point tensor may be, without a server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosswire.contract import TensorSpec
from crosswire.serving.gateway.errors import WireError
from crosswire.serving.gateway.tensors.values import check_values
from crosswire.serving.wire import RawTensor

WAVEFORM = TensorSpec("waveform", "FP32", (8,), ("sample",), "amplitude -1..1", valid_range=(-1.0, 1.0))
SCALE = TensorSpec("scale", "FP32", (1,), ("item",), "values per metre")


def tensor(values: Any) -> RawTensor:
    array = np.asarray(values, np.float32)
    return RawTensor("waveform", "FP32", array.shape, array.tobytes())


@pytest.mark.parametrize("values", [np.linspace(-1, 1, 8), [1.1, 0, 0, 0, 0, 0, 0, -1.05], np.zeros(8)])
def test_a_loud_waveform_is_taken(values: Any) -> None:
    check_values(tensor([values]), WAVEFORM, "events")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.linspace(-32768, 32767, 8), "8 of 8 values out of range"),
        ([0, 0, 0, 0, 0, 0, 0, 3.5], "1 of 8 values out of range, from 0 to 3.5"),
        ([0, np.nan, 0, 0, 0, 0, 0, 9], "1 NaN of 8 values"),
        ([2, 2, 2, 0, 0, 0, 0, 0], "3 of 8 values out of range"),
    ],
)
def test_a_waveform_on_another_scale_is_refused_by_its_sample(values: Any, said: str) -> None:
    with pytest.raises(WireError, match=said) as raised:
        check_values(tensor([np.zeros(8), values]), WAVEFORM, "events")
    assert "in sample 1, expected -1 to 1 (amplitude -1..1), try" in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_model_without_a_contract_takes_any_finite_number(value: float) -> None:
    check_values(tensor([[3e38, -3e38]]), None, "other")
    with pytest.raises(WireError, match="expected finite numbers"):
        check_values(tensor([[0, value]]), None, "other")


def test_a_scale_is_left_to_the_step_that_reads_it() -> None:
    check_values(tensor([[np.nan]]), SCALE, "rooms")
