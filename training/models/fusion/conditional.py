"""Conditional batch norm: the norms of every further stream are modulated by what the first stream sees.

Source: the CEN paper, section 4.1, additional ablation study 2 ("modulating the BN of depth conditional on
RGB"); the paper leaves the predictor open. Here it sees the first stream's channel averages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crosswire.training.models.exchange import Mixing

REDUCTION = 4


class _Predictor(nn.Module):
    """Predicts the change of scale and offset from C channel averages; it begins by predicting none."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(channels // REDUCTION, 1))
        self.expand = nn.Linear(self.squeeze.out_features, 2 * channels)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    def forward(self, averages: Tensor) -> Tensor:
        """Map [N, C] to [N, 2*C]: changes of scale, then offsets."""
        changes: Tensor = self.expand(self.squeeze(averages).relu())
        return changes


class ConditionalNorm(Mixing):
    """Scale and shift every further stream's normalised activations by what is predicted from the first stream.

    With the norm's own γ and β this is a batch norm of scale γ(1 + Δγ) and offset β(1 + Δγ) + Δβ.

    Args:
        channels: C.
        streams: M; streams 1 to M-1 have a predictor each.
    """

    def __init__(self, channels: int, streams: int) -> None:
        super().__init__()
        self.streams = streams
        self.predictors = nn.ModuleList(_Predictor(channels) for _ in range(streams - 1))

    def forward(self, stacked: Tensor) -> Tensor:
        """Map a stacked tensor [M*N, C, H, W] to the same shape; the first stream stays as it is."""
        parts = torch.unflatten(stacked, 0, (self.streams, -1))
        averages = parts[0].mean((2, 3))
        modulated = [parts[0]]
        for stream, predictor in enumerate(self.predictors, start=1):
            scale, offset = predictor(averages)[:, :, None, None].chunk(2, 1)
            modulated.append(parts[stream] * (1 + scale) + offset)
        return torch.cat(modulated)
