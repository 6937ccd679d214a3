"""GMF by auto-encoders: each decoder gets its own specific part and the invariant part of the other modality.

Source: the GMF paper, appendix I and Figure 14. The reconstruction of the auto-encoders takes the place of GMF's, so
there are neither its linear layers nor its loss. The paper says that the latent needs an explicit boundary; choices of
ours: the boundary cuts the features of every token, and since the modalities have different numbers of tokens, every
token of a decoder gets the mean of the other modality's invariant parts. Modalities stand in a ring, as in
`crosswire.training.models.vector_fusion.gmf`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crosswire.training.models.autoencoders.decoder import PatchDecoder
from crosswire.training.models.autoencoders.encoder import Latent, VisionTransformer

#: Least variance that the values of a patch are divided by.
_LEAST_VARIANCE = 1e-6


class LatentParts(NamedTuple):
    """A latent cut at its boundary.

    Attributes:
        invariant: what all modalities share: the mean over the tokens, [N, b].
        specific: what is its own, token by token, [N, K, D - b].
    """

    invariant: Tensor
    specific: Tensor


class CrossReconstruction(nn.Module):
    """Rebuilds the input of every modality, and says how far off that is.

    Args:
        encoders: of the modalities, two or more, in order.
    """

    def __init__(self, encoders: Sequence[VisionTransformer]) -> None:
        super().__init__()
        self.boundaries = tuple(one.config.invariant(one.out_features) for one in encoders)
        self.normalise = tuple(one.config.normalise for one in encoders)
        ring = (*self.boundaries[1:], self.boundaries[0])
        self.decoders = nn.ModuleList(
            PatchDecoder(other + one.out_features - own, one.grid, one.values, one.config)
            for one, own, other in zip(encoders, self.boundaries, ring, strict=True)
        )

    def parts(self, latents: Sequence[Latent]) -> list[LatentParts]:
        """Cut the latent of every modality at its boundary."""
        cuts = zip(latents, self.boundaries, strict=True)
        return [LatentParts(one.tokens[..., :at].mean(1), one.tokens[..., at:]) for one, at in cuts]

    def joined(self, parts: Sequence[LatentParts]) -> list[Tensor]:
        """Return what every decoder reads: the next modality's invariant part and its own specific part, [N, K, F]."""
        ring = [*parts[1:], parts[0]]
        return [
            torch.cat((other.invariant[:, None].expand(-1, own.specific.shape[1], -1), own.specific), -1)
            for own, other in zip(parts, ring, strict=True)
        ]

    def rebuilt(self, latents: Sequence[Latent]) -> list[Tensor]:
        """Return what every decoder makes of the latents, [N, L, P] each."""
        read = self.joined(self.parts(latents))
        return [decoder(x, one.kept) for decoder, x, one in zip(self.decoders, read, latents, strict=True)]

    def forward(self, latents: Sequence[Latent]) -> Tensor:
        """Return the sum over modalities of the mean squared error of the patches that were masked, or of all."""
        targets = [
            normalised(one.patches.float()) if own else one.patches.float()
            for one, own in zip(latents, self.normalise, strict=True)
        ]
        errors = [
            mean_over_masked((made.float() - target).square().mean(-1), one.kept)
            for made, target, one in zip(self.rebuilt(latents), targets, latents, strict=True)
        ]
        return torch.stack(errors).sum()


def normalised(patches: Tensor) -> Tensor:
    """Give every patch [..., P] mean 0 and variance 1; one of equal values becomes 0."""
    variance, mean = torch.var_mean(patches, -1, keepdim=True, correction=0)
    return (patches - mean) / (variance + _LEAST_VARIANCE).sqrt()


def mean_over_masked(errors: Tensor, kept: Tensor | None) -> Tensor:
    """Return the mean of errors [N, L] over the patches that were not kept; over all where none was masked."""
    if kept is None:
        return errors.mean()
    masked = torch.ones_like(errors).scatter(1, kept, 0.0)
    return (errors * masked).sum() / masked.sum()
