"""Attention over short sequences of feature vectors: the parts that MBT, Perceiver and others are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEED_FORWARD = 4


class Attention(nn.Module):
    """Multi-head attention of tokens to a context, written as matrix products.

    Args:
        width: features of a token.
        heads: number of heads.
        context: features of a token of the context; None for `width`.
        head_width: features of a head; None to share `width` out among them.
        bias: of the three projections that come first.
    """

    def __init__(
        self, width: int, heads: int, *, context: int | None = None, head_width: int | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = head_width or width // heads
        inner = heads * self.head_width
        self.query = nn.Linear(width, inner, bias)
        self.key_value = nn.Linear(context or width, 2 * inner, bias)
        self.out = nn.Linear(inner, width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Map tokens [N, T, width] to the same shape, reading a context [N, S, context]."""
        query = self._split(self.query(tokens))
        key, value = (self._split(part) for part in self.key_value(context).tensor_split(2, -1))
        weights = (query @ key.transpose(-1, -2) / math.sqrt(self.head_width)).softmax(-1)
        attended: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return attended

    def _split(self, x: Tensor) -> Tensor:
        """Give the heads an axis: [N, T, heads * w] to [N, heads, T, w]."""
        return torch.unflatten(x, -1, (self.heads, self.head_width)).transpose(1, 2)


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them.

    Args:
        width: features of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, FEED_FORWARD * width), nn.GELU(), nn.Linear(FEED_FORWARD * width, width))


class TransformerLayer(nn.Module):
    """Self-attention, optionally attention to a context, and a feed-forward part; each normed first, each residual.

    Args:
        width: features of a token.
        heads: number of heads.
        cross: whether the layer attends to a context.
    """

    def __init__(self, width: int, heads: int, *, cross: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        if cross:
            self.cross_norm = nn.LayerNorm(width)
            self.cross = Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = FeedForward(width)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Map tokens [N, T, width] to the same shape; a layer that crosses needs the context [N, S, width]."""
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed)
        if context is not None:
            tokens = tokens + self.cross(self.cross_norm(tokens), context)
        tokens = tokens + self.feed(self.feed_norm(tokens))
        return tokens


class Projections(nn.ModuleList):
    """Brings the features of every modality to one width; those that have it stay as they are.

    Args:
        dims: features of each modality.
        width: of the result.
    """

    def __init__(self, dims: Sequence[int], width: int) -> None:
        super().__init__(nn.Identity() if size == width else nn.Linear(size, width) for size in dims)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map [N, dims[j]] to [N, width], modality by modality."""
        return [layer(feature) for layer, feature in zip(self, features, strict=True)]


def heads_of(width: int) -> int:
    """Return how many heads share `width` out evenly: 8, or the largest power of two below that divides it."""
    return math.gcd(width, 8)


def gated(x: Tensor) -> Tensor:
    """Halve the last axis by a GELU gate."""
    value, gate = x.tensor_split(2, -1)
    return value * F.gelu(gate)
