"""What parity is measured on: noise, and a few real samples, in batches of several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from crosswire.contract import TensorSpec
from crosswire.export.onnx_graph import example

Batches = list[list[Tensor]]

#: Sizes of the batches that real samples are put into, one after the other.
SIZES = (1, 2, 3, 2)


def noise(inputs: Sequence[TensorSpec], max_batch: int) -> dict[str, Batches]:
    """Return seeded noise for some inputs in batches of 1, 2 and 3, by its description.

    Args:
        inputs: of the graph.
        max_batch: largest batch that the graph takes; larger ones are left out.
    """
    sizes = [size for size in (1, 2, 3) if size <= max_batch]
    return {f"noise, batches of {', '.join(map(str, sizes))}": [example(inputs, n, seed=n) for n in sizes]}


def in_batches(samples: Sequence[Sequence[Tensor]], max_batch: int, description: str) -> dict[str, Batches]:
    """Return the first samples in batches of `SIZES`, by a description that says how many they are.

    Args:
        samples: per sample one tensor per input, each with a batch axis of 1.
        max_batch: largest batch that the graph takes; larger ones are cut to it.
        description: of all samples, for example `"rooms, 32 test frames"`.

    Returns:
        one entry; none where there is no sample.
    """
    batches: Batches = []
    rest = list(samples)
    for size in SIZES:
        group, rest = rest[: min(size, max_batch)], rest[min(size, max_batch) :]
        if group:
            batches.append([torch.cat(column) for column in zip(*group, strict=True)])
    shown = sum(len(batch[0]) for batch in batches)
    return {f"{shown} of {description}": batches} if batches else {}
