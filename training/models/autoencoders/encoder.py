"""A vision transformer over patches of a clip or of a spectrogram, some of which it does not see while it trains.

Source: MAE and Audio-MAE, references [32] and [33] of the GMF paper, appendix I. Choices of ours, where the paper is
silent: a patch of a clip is a block in space and time; every sample has a random mask over all of them; there is no
class token, and the vector of the classifier is the mean of the latent's tokens.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

from crosswire.training.models.autoencoders.patches import draw_kept, initialise, patchify, positions, taken
from crosswire.training.models.vector_fusion.attention import TransformerLayer
from crosswire.training.tasks.audio_video.vit_config import VitConfig


class Latent(NamedTuple):
    """What an encoder makes of its input.

    Attributes:
        tokens: of the patches that it saw, float [N, K, D].
        kept: which those are, int64 [N, K]; None for all of them in order.
        patches: all of its input, float [N, L, P].
    """

    tokens: Tensor
    kept: Tensor | None
    patches: Tensor

    def pooled(self) -> Tensor:
        """Return the mean of the tokens, [N, D]."""
        return self.tokens.mean(1)


class VisionTransformer(nn.Module):
    """Maps pictures or a spectrogram to tokens, and to their mean.

    Args:
        channels: C of its input.
        size: T, H and W of its input: frames, rows, columns, or segments, bands, windows.
        width: features of a token.
        config: everything else; `VitConfig.check` says whether it fits.

    Attributes:
        config: as given.
        grid: patches along each axis.
        values: numbers of a patch.
        out_features: features of a token, and of the mean.
    """

    def __init__(self, channels: int, size: tuple[int, int, int], width: int, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        t, h, w = (whole // part for whole, part in zip(size, config.patch, strict=True))
        self.grid = (t, h, w)
        self.values = channels * math.prod(config.patch)
        self.out_features = width
        self.embed = nn.Linear(self.values, width)
        self.register_buffer("positions", positions(self.grid, width), persistent=False)
        self.layers = nn.ModuleList(TransformerLayer(width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width)
        self.apply(initialise)

    def encode(self, x: Tensor) -> Latent:
        """Map [N, C, T, H, W] to its latent; while training, without the patches that are masked."""
        patches, places = patchify(x, self.config.patch), self.get_buffer("positions")
        masked = self.config.masked(patches.shape[1]) if self.training else 0
        kept = draw_kept(patches, masked) if masked else None
        seen, places = (patches, places) if kept is None else (taken(patches, kept), places[kept])
        tokens = self.embed(seen) + places
        for layer in self.layers:
            tokens = layer(tokens)
        return Latent(self.norm(tokens), kept, patches)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to the mean of its tokens, [N, width]."""
        return self.encode(x).pooled()
