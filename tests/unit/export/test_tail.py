"""The end of a segmentation graph: deciding residue by residue is deciding on the up-sampled whole."""

from __future__ import annotations

import pytest
import torch

from crosswire.export.tasks.segmentation.argmax_head import by_residues, whole


def logits(*shape: int) -> torch.Tensor:
    """Return random logits."""
    return 4 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("factor", (2, 3, 4))
@pytest.mark.parametrize("shape", ((1, 12, 9, 7), (3, 5, 1, 4), (2, 2, 6, 1)))
def test_residues_decide_as_the_whole_does(factor: int, shape: tuple[int, ...]) -> None:
    small = logits(*shape)
    size = (factor * shape[2], factor * shape[3])
    labels, confidence = by_residues(small, size)
    expected, sureness = whole(small, size)
    assert labels.shape == confidence.shape == (shape[0], *size)
    assert labels.dtype == confidence.dtype == torch.uint8
    assert torch.equal(labels, expected)
    assert (confidence.int() - sureness.int()).abs().max() <= 1


@pytest.mark.parametrize("size", ((9, 7), (72, 56), (18, 7), (20, 15)))
def test_a_size_that_is_no_small_multiple_is_up_sampled_whole(size: tuple[int, int]) -> None:
    small = logits(2, 5, 9, 7)
    for found, expected in zip(by_residues(small, size), whole(small, size), strict=True):
        assert torch.equal(found, expected)


def test_classes_that_are_equally_likely_everywhere_are_the_first_with_an_even_share() -> None:
    labels, confidence = by_residues(torch.zeros(1, 5, 4, 4), (16, 16))
    assert not labels.any()
    assert (confidence == 51).all()
