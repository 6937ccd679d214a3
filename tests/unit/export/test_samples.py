"""What parity is measured on: batches of several sizes, none larger than a graph takes, and described as they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crosswire.contract import TensorSpec
from crosswire.export.samples import in_batches, noise

SPECS = (TensorSpec("rgb", "UINT8", (4, 5, 3), ("height", "width", "channel"), "intensity 0..255"),)


def samples(count: int) -> list[list[Tensor]]:
    """Return samples of two inputs, each with its number in it."""
    return [[torch.full((1, 2), float(index)), torch.full((1, 3), float(-index))] for index in range(count)]


@pytest.mark.parametrize(
    ("count", "max_batch", "sizes"),
    [
        (20, 8, [1, 2, 3, 2]),
        (20, 2, [1, 2, 2, 2]),
        (20, 1, [1, 1, 1, 1]),
        (4, 8, [1, 2, 1]),
    ],
)
def test_the_first_samples_come_once_each_and_in_batches_that_the_graph_takes(
    count: int, max_batch: int, sizes: list[int]
) -> None:
    ((description, batches),) = in_batches(samples(count), max_batch, "some").items()
    assert description == f"{sum(sizes)} of some"
    assert [[len(column) for column in batch] for batch in batches] == [[size, size] for size in sizes]
    assert torch.cat([first for first, _ in batches])[:, 0].tolist() == list(range(sum(sizes)))
    assert torch.cat([second for _, second in batches]).shape == (sum(sizes), 3)


def test_without_samples_nothing_is_claimed() -> None:
    assert in_batches([], 8, "some") == {}


@pytest.mark.parametrize(("max_batch", "sizes"), [(8, [1, 2, 3]), (2, [1, 2]), (1, [1])])
def test_noise_says_which_batches_there_are(max_batch: int, sizes: list[int]) -> None:
    ((description, batches),) = noise(SPECS, max_batch).items()
    assert description == f"noise, batches of {', '.join(map(str, sizes))}"
    assert [tuple(batch[0].shape) for batch in batches] == [(size, 4, 5, 3) for size in sizes]
