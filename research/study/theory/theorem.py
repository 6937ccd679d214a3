"""Theorem 1: how likely γ = 0 attracts, by its formula, by drawing normals, and by the gradients of a network.

Source: the CEN paper, Theorem 1. The gradient of the loss by γ is Σ g_i z_i over the pixels of all
images, with g = ∂L/∂x' and z the normalised activation; γ = 0 attracts where its modulus is below λ. With z
independent and standard normal the sum has standard deviation ‖g‖₂: the probability is 2Φ(λ/‖g‖₂) − 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from crosswire.training.models import SegmentationNetwork, sparse_norms
from crosswire.training.report.factors import watched
from crosswire.training.tasks.segmentation.config import NetworkConfig
from crosswire.training.tasks.segmentation.data import Batch
from crosswire.training.tasks.segmentation.losses import task_loss

#: Pixels and draws of the Monte-Carlo trial.
PIXELS, DRAWS = 16, 400_000


def attraction(ratio: float) -> float:
    """Return the probability that γ = 0 attracts, 2Φ(λ/g) − 1 = erf(λ/(g√2)), from λ/g; 1 for λ/g = ∞, 0 for 0."""
    return math.erf(ratio / math.sqrt(2))


def drawn(ratio: float, seed: int, draws: int = DRAWS) -> dict[str, float]:
    """Draw normalised activations for a gradient and count how often γ = 0 attracts.

    Args:
        ratio: λ over the L2 norm of the gradient.
        seed: of the gradient's direction and of the draws.
        draws: number of trials.

    Returns:
        `predicted` by the theorem with the L2 norm, `l1` with the sum of the moduli in its place, and `seen`.
    """
    random = np.random.default_rng((seed, round(1e6 * ratio)))
    gradient = random.standard_normal(PIXELS)
    gradient /= np.linalg.norm(gradient)
    sums = random.standard_normal((draws, PIXELS)) @ gradient
    return {
        "predicted": attraction(ratio),
        "l1": attraction(ratio / float(np.abs(gradient).sum())),
        "seen": float((np.abs(sums) < ratio).mean()),
    }


class _Watch:
    """Keeps the L2 norm of the gradient that reaches each channel behind one norm."""

    def __init__(self, norm: nn.Module) -> None:
        self.norms = torch.zeros(0)
        self._handle = norm.register_forward_hook(self._listen)

    def _listen(self, norm: nn.Module, inputs: tuple[Tensor, ...], normed: Tensor) -> None:
        """Listen for the gradient of a normalised tensor [N, C, H, W]."""
        normed.register_hook(self._keep)  # type: ignore[no-untyped-call]

    def _keep(self, gradient: Tensor) -> None:
        """Keep the norm over images and pixels, float [C]."""
        self.norms = gradient.detach().pow(2).sum((0, 2, 3)).sqrt()

    def close(self) -> None:
        """Listen no more."""
        self._handle.remove()


def gradients(
    network: SegmentationNetwork, config: NetworkConfig, batches: Iterable[Batch], stream_loss: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the theorem speaks of for every γ under the L1 term and every batch, without exchange.

    Args:
        network: in training mode afterwards; its running statistics move.
        config: its configuration.
        batches: of training frames.
        stream_loss: weight of every stream's own loss.

    Returns:
        |γ|, the modulus of ∂L/∂γ without the L1 term, and the L2 norm of ∂L/∂x', float [K] each.
    """
    network.train()
    places = [
        (gamma, part, _Watch(private))
        for norm in sparse_norms(network).values()
        for gamma, part, private in zip(norm.gammas, watched(norm, restrict=config.restrict), norm.norms, strict=True)
    ]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for batch in batches:
        network.zero_grad(set_to_none=True)
        task_loss(network(*batch.inputs), batch.labels, stream_loss).backward()  # type: ignore[no-untyped-call]
        for gamma, part, watch in places:
            assert gamma.grad is not None
            found.append((gamma.detach()[part].abs(), gamma.grad[part].abs(), watch.norms[part]))
    for _, _, watch in places:
        watch.close()
    sizes, slopes, norms = (torch.cat(parts) for parts in zip(*found, strict=True))
    return sizes, slopes, norms


def observed(sizes: Tensor, slopes: Tensor, norms: Tensor, pressure: float, threshold: float) -> dict[str, float]:
    """Hold the theorem against the gradients of a network, for the γ at or below a threshold (or the smallest one).

    Args:
        sizes: |γ|, float [K].
        slopes: modulus of ∂L/∂γ without the L1 term, float [K].
        norms: L2 norm of ∂L/∂x', float [K].
        pressure: λ.
        threshold: θ.

    Returns:
        `predicted`, the mean of the theorem's probability; `seen`, the share of γ where 0 attracts; `spread`, the root
        mean square of ∂L/∂γ over the norm, which the theorem has as 1.
    """
    small = (sizes <= max(threshold, float(sizes.min()))) & (norms > 0)
    small = small if bool(small.any()) else norms > 0
    ratios = pressure / norms[small]
    return {
        "predicted": float(torch.erf(ratios / math.sqrt(2)).mean()),
        "seen": float((slopes[small] < pressure).float().mean()),
        "spread": float((slopes[small] / norms[small]).pow(2).mean().sqrt()),
    }
