"""Features on their way to an embedder, and the vectors that come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosswire.clients import Embedding, InputError, Timings, embedding_request


@pytest.mark.parametrize("given", [[1, 2, 3], np.arange(3.0), np.ones((1, 3), np.float16)])
def test_numbers_of_any_kind_are_sent_as_floats_with_a_batch_axis(given: Any) -> None:
    sent = embedding_request(video=given).inputs["video_features"]
    assert sent.dtype == np.float32 and sent.shape == (1, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing came; send video or image"),
        ({"video": [1.0], "image": [1.0]}, "both came; send video or image"),
        ({"video": 1.0}, r"video_features: got float64 \[\]; send numbers \[F\]"),
        ({"image": np.zeros((2, 0))}, r"image_features: got float64 \[2, 0\]"),
        ({"image": np.zeros((2, 3, 4))}, r"got float64 \[2, 3, 4\]"),
        ({"image": ["cat.jpg"]}, "image_features: got <U7"),
        ({"video": [1.0, float("nan")]}, "video_features: got values that are not finite"),
    ],
)
def test_what_is_no_features_is_refused_before_anybody_is_asked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        embedding_request(**given)


def test_the_one_vector_of_several_is_not_guessed() -> None:
    result = Embedding("clips_video", np.eye(2, dtype=np.float32), Timings(0, 0, 0, 0))
    with pytest.raises(InputError, match="there are 2 vectors, one for each that was sent"):
        _ = result.vector
