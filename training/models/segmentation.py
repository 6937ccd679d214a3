"""A channel-exchanging segmentation network: shared encoder, shared decoder, one decision per stream, an ensemble."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from crosswire.training.models.fusion.align import take_auxiliary
from crosswire.training.models.streams import Ensemble, StackStreams


class Decisions(NamedTuple):
    """What a network decides.

    Attributes:
        ensemble: logits [N, K, h, w].
        streams: logits of every stream that decides, stacked [M*N, K, h, w].
        auxiliary: loss that the network adds while it trains, a scalar (only with `fusion="align"`), or None.
    """

    ensemble: Tensor
    streams: Tensor
    auxiliary: Tensor | None = None


class SegmentationNetwork(nn.Module):
    """Parallel streams through one encoder and one decoder.

    Args:
        stack: brings the inputs together.
        encoder: maps a stacked tensor to levels.
        decoder: maps levels to stacked logits.
        ensemble: weighs the streams' logits.
        frozen_statistics: keep the encoder's batch norms on their running statistics while it trains.

    Attributes:
        merge: brings all levels down to one stream before the decoder, where the streams merge in the encoder.
    """

    merge: nn.Module | None

    def __init__(
        self,
        stack: StackStreams,
        encoder: nn.Module,
        decoder: nn.Module,
        ensemble: Ensemble,
        *,
        frozen_statistics: bool = False,
    ) -> None:
        super().__init__()
        self.stack = stack
        self.encoder = encoder
        self.decoder = decoder
        self.ensemble: nn.Module = ensemble
        self.merge = None
        self.frozen_statistics = frozen_statistics

    def train(self, mode: bool = True) -> SegmentationNetwork:
        """Set training or evaluation mode; batch norms with frozen statistics stay in evaluation mode."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, *inputs: Tensor) -> Decisions:
        """Map M normalised inputs [N, c_m, H, W] to logits at the decoder's resolution."""
        levels = self.encoder(self.stack(*inputs))
        logits = self.decoder(levels if self.merge is None else self.merge(levels))
        return Decisions(self.ensemble(logits), logits, take_auxiliary(self) if self.training else None)
