"""The decoder of a masked auto-encoder: the tokens that were seen, mask tokens between them, and a few layers.

Source: MAE, reference [32] of the GMF paper. That of Audio-MAE (reference [33]) attends locally; here both modalities
have the same one, since the GMF paper says nothing of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crosswire.training.models.autoencoders.patches import initialise, positions
from crosswire.training.models.vector_fusion.attention import TransformerLayer
from crosswire.training.tasks.audio_video.vit_config import VitConfig


class PatchDecoder(nn.Module):
    """Rebuilds all patches of an input from the tokens of those that were seen.

    Args:
        features: of a token that comes in.
        grid: patches along each axis, L in all.
        values: numbers of a patch.
        config: width, depth, heads, and whether there are masks.
    """

    def __init__(self, features: int, grid: tuple[int, int, int], values: int, config: VitConfig) -> None:
        super().__init__()
        width = config.decoder_width
        self.embed = nn.Linear(features, width)
        self.mask_token = nn.Parameter(0.02 * torch.randn(width)) if config.mask else None
        self.register_buffer("positions", positions(grid, width), persistent=False)
        self.layers = nn.ModuleList(TransformerLayer(width, config.decoder_heads) for _ in range(config.decoder_depth))
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, values)
        self.apply(initialise)

    def forward(self, joined: Tensor, kept: Tensor | None) -> Tensor:
        """Map tokens [N, K, features] of the patches that were kept to all patches, [N, L, values].

        Args:
            joined: the tokens.
            kept: int64 [N, K]; None for all of them in order.
        """
        tokens, places = self.embed(joined), self.get_buffer("positions")
        if kept is not None:
            assert self.mask_token is not None
            masks = self.mask_token.to(tokens.dtype).expand(len(tokens), len(places), -1)
            tokens = masks.scatter(1, kept[..., None].expand_as(tokens), tokens)
        tokens = tokens + places
        for layer in self.layers:
            tokens = layer(tokens)
        rebuilt: Tensor = self.predict(self.norm(tokens))
        return rebuilt
