"""Mean intersection over union, against sums done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crosswire.clients import InputError, mean_iou

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)


def test_equal_labels_score_one() -> None:
    assert mean_iou(TRUTH, TRUTH, 2) == 1.0


def test_the_mean_is_over_the_classes_and_not_over_the_pixels() -> None:
    predicted = np.array([[0, 0, 0, 1], [0, 0, 0, 1]], np.uint8)
    assert mean_iou(predicted, TRUTH, 2) == pytest.approx((4 / 6 + 2 / 4) / 2)


def test_a_class_absent_from_both_is_left_out_and_one_present_in_either_counts() -> None:
    predicted = TRUTH.copy()
    assert mean_iou(predicted, TRUTH, 40) == 1.0
    predicted[0, 0] = 7
    assert mean_iou(predicted, TRUTH, 40) == pytest.approx((3 / 4 + 1 + 0) / 3)


def test_pixels_without_a_true_label_count_for_nothing() -> None:
    truth = TRUTH.copy()
    truth[:, 3] = 255
    predicted = TRUTH.copy()
    predicted[:, 3] = 0
    assert mean_iou(predicted, truth, 2) == 1.0


@pytest.mark.parametrize(
    ("predicted", "truth", "complaint"),
    [
        (TRUTH, TRUTH[:1], r"predicted is \[2, 4\], truth is \[1, 4\]"),
        (TRUTH + 1, TRUTH, r"labels reach 2; with 2 classes 0\.\.1 fit"),
        (TRUTH.astype(np.int64) - 1, TRUTH, r"0\.\.1 fit"),
        (TRUTH, np.full_like(TRUTH, 255), "nothing to score"),
    ],
)
def test_labels_that_cannot_be_scored_are_refused(predicted: NDArray[Any], truth: NDArray[Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        mean_iou(predicted, truth, 2)
