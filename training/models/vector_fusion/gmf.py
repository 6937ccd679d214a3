"""Generalized multimodal fusion: dissolve, concentrate, exchange the invariant parts, reconstruct.

Source: the GMF paper, section 4 (Eq. 16 to 18) and Algorithms 1 to 3. All layers are plain linear, four per
modality. The algorithm is written for two modalities; any number of them stands in a ring here, each output joining
its own specific part with the invariant part of the next modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.models.vector_fusion.base import Fused, Fusion


class Parts(NamedTuple):
    """The features of one modality, taken apart.

    Attributes:
        invariant: what all modalities share, [N, l*], l* being the smallest number of features.
        specific: what is its own, [N, l].
    """

    invariant: Tensor
    specific: Tensor


class ElementSplit(nn.Module):
    """Dissolves a feature vector and concentrates both sides of the boundary (Algorithm 2).

    Args:
        features: l.
        invariant: l*, features of the invariant part.
        expansion: n; the vector is dissolved into n * l elements.
        boundary: share of the dissolved elements that become the invariant part; b = floor(boundary * n * l).
        bias: whether the linear layers have one.

    Raises:
        ConfigError: the boundary leaves one side empty.
    """

    def __init__(self, features: int, invariant: int, *, expansion: int, boundary: float, bias: bool) -> None:
        super().__init__()
        dissolved = expansion * features
        self.boundary = int(boundary * dissolved)
        if not 0 < self.boundary < dissolved:
            raise ConfigError(
                f"boundary {boundary:g} cuts {dissolved} dissolved elements at {self.boundary}; allowed is a share "
                "that leaves both sides at least one"
            )
        self.dissolve = nn.Linear(features, dissolved, bias)
        self.invariant = nn.Linear(self.boundary, invariant, bias)
        self.specific = nn.Linear(dissolved - self.boundary, features, bias)

    def forward(self, features: Tensor) -> Parts:
        """Take features [N, l] apart."""
        dissolved = self.dissolve(features)
        return Parts(self.invariant(dissolved[:, : self.boundary]), self.specific(dissolved[:, self.boundary :]))


class GMF(Fusion):
    """The fusion of the paper, with concatenation behind it.

    Args:
        dims: l of each modality, two or more.
        expansion: magnification n; 4 in the paper.
        boundary: share of the dissolved elements that become the invariant part. Algorithm 2 takes it of n * l, which
            alone gives the published 119.21 M parameters for 128 and 4096 features; the text says half of l, which is
            `boundary=1 / (2 * expansion)`.
        bias: whether the linear layers have one.
        detach: one of `crosswire.training.tasks.audio_video.config.DETACH`, what the loss of reconstruction does not
            reach: nothing (`none`), the features as what is rebuilt (`target`), or the features altogether, so that it
            moves the fusion alone (`features`). The paper hints at a restricted gradient and gives none.

    Raises:
        ConfigError: fewer than two modalities, or an impossible expansion or boundary.
    """

    def __init__(
        self,
        dims: Sequence[int],
        *,
        expansion: int = 4,
        boundary: float = 0.5,
        bias: bool = True,
        detach: str = "none",
    ) -> None:
        super().__init__(dims)
        if len(dims) < 2:
            raise ConfigError(f"GMF fuses two modalities or more, not {len(dims)}")
        smallest = min(dims)
        self.detach = detach
        self.splits = nn.ModuleList(
            ElementSplit(size, smallest, expansion=expansion, boundary=boundary, bias=bias) for size in dims
        )
        self.reconstruct = nn.ModuleList(nn.Linear(size + smallest, size, bias) for size in dims)
        self.out_features = sum(dims) + len(dims) * smallest

    def parts(self, features: Sequence[Tensor]) -> list[Parts]:
        """Take the features [N, l] of every modality apart."""
        return [split(feature) for split, feature in zip(self.splits, features, strict=True)]

    def exchanged(self, parts: Sequence[Parts]) -> list[Tensor]:
        """Return Z of Eq. 17 for every modality: the next one's invariant part and its own specific part."""
        ring = [*parts[1:], parts[0]]
        return [torch.cat((other.invariant, own.specific), 1) for own, other in zip(parts, ring, strict=True)]

    def dissolved(self, features: Sequence[Tensor]) -> tuple[list[Parts], list[Tensor], Tensor | None]:
        """Return the parts, Z and, while training, the loss of reconstruction."""
        parts = self.parts(features)
        exchanged = self.exchanged(parts)
        if not self.training:
            return parts, exchanged, None
        if self.detach == "features":
            still = [feature.detach() for feature in features]
            return parts, exchanged, self._loss(still, self.exchanged(self.parts(still)))
        return parts, exchanged, self._loss(features, exchanged)

    def _loss(self, features: Sequence[Tensor], exchanged: Sequence[Tensor]) -> Tensor:
        """Return the sum over modalities of the mean squared error of reconstruction (Eq. 18, Algorithm 3)."""
        targets = [feature.detach() if self.detach == "target" else feature for feature in features]
        errors = [
            F.mse_loss(layer(z), target) for layer, z, target in zip(self.reconstruct, exchanged, targets, strict=True)
        ]
        return torch.stack(errors).sum()

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Join Z of all modalities, [N, sum l + d * l*]."""
        _, exchanged, loss = self.dissolved(features)
        return Fused(torch.cat(exchanged, 1), loss)


class GFront(Fusion):
    """GMF as the front end of another fusion ("G-method", Figure 13 of the paper).

    The invariant parts go straight to the classifier; the specific parts alone feed the back end.

    Args:
        gmf: takes the features apart.
        back: fuses the specific parts, which have as many features as the modalities.
    """

    def __init__(self, gmf: GMF, back: Fusion) -> None:
        super().__init__(gmf.dims)
        self.gmf = gmf
        self.back = back
        self.out_features = len(gmf.dims) * min(gmf.dims) + back.out_features

    def forward(self, features: Sequence[Tensor]) -> Fused:
        """Join the invariant parts with what the back end makes of the specific ones."""
        parts, _, loss = self.gmf.dissolved(features)
        joint, other = self.back([part.specific for part in parts])
        losses = [x for x in (loss, other) if x is not None]
        invariant = [part.invariant for part in parts]
        return Fused(torch.cat((*invariant, joint), 1), torch.stack(losses).sum() if losses else None)
