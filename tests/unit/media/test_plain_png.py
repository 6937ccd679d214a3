"""PNG files for the wire, and depth as whole numbers: what is read back is what was written."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from crosswire.media.depth_numbers import STORED, whole_depth
from crosswire.media.plain_png import plain_png


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (48, 64)])
def test_a_png_for_the_wire_holds_the_pixels_as_they_were(compress: bool, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(3)
    grey = noise.integers(0, 65536, size).astype(np.uint16)
    colour = noise.integers(0, 256, (*size, 3)).astype(np.uint8)
    for pixels, mode in ((grey, "I;16"), (colour, "RGB"), (colour[:, ::-1], "RGB"), (grey.T, "I;16")):
        with Image.open(io.BytesIO(plain_png(pixels, compress=compress))) as image:
            assert image.mode == mode and np.array_equal(np.asarray(image), pixels)


def test_a_compressed_png_is_smaller_and_other_arrays_are_refused() -> None:
    slope = np.tile(np.arange(200, dtype=np.uint16), (100, 1))
    assert len(plain_png(slope, compress=True)) < len(plain_png(slope, compress=False)) / 10
    with pytest.raises(ValueError, match="got float32"):
        plain_png(np.zeros((2, 2), np.float32), compress=False)


@pytest.mark.parametrize("unit", STORED)
def test_numbers_of_a_usual_unit_come_back_as_they_were_stored(unit: float) -> None:
    stored = np.random.default_rng(5).integers(0, 65535, (60, 80)).astype(np.uint16)
    metres = (stored / np.float32(unit)).astype(np.float32)
    numbers, found = whole_depth(metres)
    assert found == unit and np.array_equal(numbers, stored)


def test_the_unit_that_is_known_counts_first_and_a_float_of_a_millimetre_is_one() -> None:
    stored = np.arange(1, 6001, dtype=np.uint16).reshape(60, 100)
    assert whole_depth((stored / np.float32(3000)).astype(np.float32), 3000.0)[1] == 3000.0
    numbers, unit = whole_depth(stored.astype(np.float32) * np.float32(0.001))
    assert unit == 1000.0 and np.array_equal(numbers, stored)


@pytest.mark.parametrize(("farthest", "unit"), [(6.0, 10_000.0), (13.0, 5000.0), (60.0, 1000.0), (600.0, 100.0)])
def test_other_depth_is_rounded_in_the_finest_unit_that_reaches_as_far(farthest: float, unit: float) -> None:
    metres = np.random.default_rng(7).uniform(0.1, farthest, (40, 50)).astype(np.float32)
    metres[0, 0], metres[0, 1], metres[0, 2], metres[0, 3] = farthest, np.nan, -1, np.inf
    numbers, found = whole_depth(metres)
    assert found == unit and numbers[0, 1:4].tolist() == [0, 0, 0] and numbers.max() < 65535
    good = numbers > 0
    assert np.abs(numbers[good] / unit - metres[good]).max() <= 0.51 / unit


def test_depth_without_any_reading_is_depth_too() -> None:
    numbers, unit = whole_depth(np.zeros((3, 4), np.float32))
    assert not numbers.any() and unit == 1000.0
