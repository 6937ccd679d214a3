"""What several rooms share about label maps and pictures: resizing and counting."""

from __future__ import annotations

import numpy as np
import pytest

from crosswire.media.confusion import IGNORED, confusion_matrix
from crosswire.media.resize import nearest


@pytest.mark.parametrize("old", [1, 3, 7, 60, 97, 480])
@pytest.mark.parametrize("new", [1, 2, 7, 48, 128, 333, 1080])
def test_a_new_pixel_is_the_one_under_its_centre_in_whole_numbers(old: int, new: int) -> None:
    picture = np.arange(old)[:, None] * np.ones((1, 2), int)
    expected = [(2 * row + 1) * old // (2 * new) for row in range(new)]
    np.testing.assert_array_equal(nearest(picture, new, 1)[:, 0], expected)


def test_channels_and_dtype_stay() -> None:
    picture = np.arange(12, dtype=np.uint16).reshape(2, 2, 3)
    resized = nearest(picture, 4, 2)
    assert (resized.dtype, resized.shape) == (np.uint16, (4, 2, 3))
    np.testing.assert_array_equal(resized, picture.repeat(2, axis=0))


def test_pairs_are_counted_by_class_where_the_truth_is_known() -> None:
    truth = np.array([[0, 0, 1], [2, 2, IGNORED]], np.uint8)
    found = np.array([[0, 1, 1], [2, 0, 9]], np.uint8)
    np.testing.assert_array_equal(confusion_matrix(truth, found, 3), [[1, 1, 0], [0, 1, 0], [1, 0, 1]])
