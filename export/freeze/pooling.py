"""Adaptive average pooling as two matrix products, which every runtime has, whatever the size divides into."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BinAverage(nn.Module):
    """Averages over `bins` x `bins` regions, which may overlap by a row or column as in `nn.AdaptiveAvgPool2d`.

    Args:
        bins: regions per side.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C, bins, bins]."""
        rows = averaging_matrix(x.shape[2], self.bins).to(x)
        columns = averaging_matrix(x.shape[3], self.bins).to(x)
        return rows @ x @ columns.T


def averaging_matrix(size: int, bins: int) -> Tensor:
    """Return float32 [bins, size]: row i averages from floor(i*size/bins) up to ceil((i+1)*size/bins)."""
    rows = []
    for index in range(bins):
        first, end = index * size // bins, -(-(index + 1) * size // bins)
        rows.append([1.0 / (end - first) if first <= place < end else 0.0 for place in range(size)])
    return torch.tensor(rows)
