"""A concatenation in place of the ensemble of decisions.

Source: the CEN paper, section 4.1, additional ablation study 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crosswire.training.models.fusion.gather import begin_as_mean
from crosswire.training.models.streams import Ensemble


class ConcatDecision(nn.Module):
    """The streams' logits side by side and a 1x1 convolution M*K to K, which begins as their mean.

    Args:
        streams: M.
        classes: K.
    """

    def __init__(self, streams: int, classes: int) -> None:
        super().__init__()
        self.streams = streams
        self.reduce = nn.Conv2d(streams * classes, classes, 1)
        begin_as_mean(self.reduce, streams)
        nn.init.zeros_(self.reduce.bias)  # type: ignore[arg-type]

    def single(self, stream: int) -> Ensemble:
        """Return the ensemble of one stream alone, which is its decision."""
        return Ensemble(1).to(self.reduce.weight.device)

    def forward(self, stacked: Tensor) -> Tensor:
        """Map stacked decisions [M*N, K, H, W] to one [N, K, H, W]."""
        parts = torch.unflatten(stacked, 0, (self.streams, -1))
        decision: Tensor = self.reduce(torch.cat([parts[stream] for stream in range(self.streams)], 1))
        return decision
