"""Readings and what is none: one rule, whoever reads depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosswire.media.depth import is_reading, outside, to_metres
from crosswire.training.datasets.files.images import PlainDepth
from crosswire.training.datasets.sunrgbd import rotated_depth
from crosswire.training.modalities import modalities
from crosswire.training.tasks.segmentation.config import NetworkConfig


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64, np.dtype(">u2")])
def test_whole_numbers_are_readings_but_for_0_and_65535_and_below(dtype: Any) -> None:
    stored = np.array([[0, 1, 65534, 65535]], dtype)
    assert is_reading(stored).tolist() == [[False, True, True, False]]
    assert to_metres(stored, 1000).tolist() == [[0, np.float32(0.001), np.float32(65.534), 0]]


def test_a_negative_whole_number_is_no_reading() -> None:
    assert is_reading(np.array([-1, -32768, 5], np.int16)).tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_readings_where_they_are_finite_and_above_0(dtype: Any) -> None:
    stored = np.array([np.nan, np.inf, -np.inf, -1, 0, 0.5, 60000], dtype)
    assert is_reading(stored).tolist() == [False] * 5 + [True, True]
    assert to_metres(stored, 1).tolist() == [0, 0, 0, 0, 0, 0.5, 60000]


@pytest.mark.parametrize("units", [1000, 5000, 256, 8000, 1])
def test_metres_are_the_float_nearest_to_the_quotient(units: float) -> None:
    stored = np.arange(65535, dtype=np.uint16)
    np.testing.assert_array_equal(to_metres(stored, units), (stored / np.float64(units)).astype(np.float32))


def test_the_ends_of_a_range_lie_within_it() -> None:
    assert outside(np.array([0, 0.3, 0.5, 8, 8.1]), (0.5, 8.0)).tolist() == [False, True, False, False, True]


def test_data_sets_are_read_by_the_rule() -> None:
    stored = np.array([[0, 2000, 65535]], np.uint16)
    assert PlainDepth(1000)(stored, "x.png").tolist() == [[0, 2, 0]]
    rotated = (stored << 3) | (stored >> 13)
    assert rotated_depth(rotated, "x.png").tolist() == [[0, 2, 0]]


@pytest.mark.parametrize(("farthest", "kept"), [(10.0, [0, 9, 0, 0]), (4.0, [0, 0, 0, 0]), (80.0, [0, 9, 11, 79])])
def test_a_network_is_trained_on_what_it_will_be_served(farthest: float, kept: list[float]) -> None:
    _, depth = modalities(NetworkConfig(depth_mean=0.0, depth_std=1.0, depth_farthest=farthest))
    assert depth.normalise(np.array([[0, 9, 11, 79]], np.float32))[0, 0].tolist() == kept
    assert depth.valid_range == (0.0, farthest)
