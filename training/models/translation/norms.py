"""The norms of a generator: instance norms with two ways to answer, and who owns which norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from crosswire.training.models.exchange import PrivateNorm2d
from crosswire.training.models.fusion.rules import RuleMaker
from crosswire.training.models.translation.flows import Runs, lengths
from crosswire.training.models.translation.sharing import NormMaker, shared_norms


class InstanceNorm(nn.InstanceNorm2d):
    """An instance norm that learns running statistics beside.

    Args:
        channels: C.
        affine: whether it has γ and β.
        own_statistics: normalise every image with its own statistics after training too, as the official code does;
            else with the running ones, which can be folded into a convolution.
    """

    def __init__(self, channels: int, *, affine: bool = True, own_statistics: bool = False) -> None:
        super().__init__(channels, affine=affine, track_running_stats=True)
        self.own_statistics = own_statistics

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, H, W]."""
        if self.own_statistics and not self.training:
            return F.instance_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return super().forward(input)


@dataclass(frozen=True)
class Norms:
    """Makes the norms of all flows of one part of a generator.

    Attributes:
        groups: flows that can exchange, as the length of every group.
        norm: makes one norm.
        rule: what the flows of a group do to each other; None for nothing.
        penalise: which γ the L1 term reaches, as in `PrivateNorm2d`.
        sharing: what the flows of a group share, as in `shared_norms`, if they do nothing to each other; or `private`.
    """

    groups: tuple[int, ...]
    norm: NormMaker
    rule: RuleMaker | None = None
    penalise: str = "none"
    sharing: str = "private"

    def __call__(self, channels: int) -> nn.Module:
        """Return the norms behind one layer, for a stacked tensor of all flows."""
        if self.sharing == "private" and self.rule is None and self.penalise == "none":
            return PrivateNorm2d(channels, sum(self.groups), norm=self.norm)
        parts = [self._group(channels, length) for length in self.groups]
        return parts[0] if len(parts) == 1 else Runs(parts, self.groups)

    def _group(self, channels: int, length: int) -> nn.Module:
        """Return the norms of one group."""
        if self.sharing != "private":
            return shared_norms(self.sharing, channels, length, self.norm)
        rule = self.rule(channels, length) if self.rule and length > 1 else None
        return PrivateNorm2d(channels, length, rule=rule, penalise=self.penalise, norm=self.norm)


@dataclass(frozen=True)
class OwnedNorms:
    """Makes norms that the flows of one owner share.

    Attributes:
        owners: per flow, rising from 0.
        norm: makes one norm.
    """

    owners: tuple[int, ...]
    norm: NormMaker

    def __call__(self, channels: int) -> nn.Module:
        """Return the norms behind one layer, for a stacked tensor of all flows."""
        return owned(self.owners, lambda: self.norm(channels))


def owned(owners: Sequence[int], make: Callable[[], nn.Module]) -> nn.Module:
    """Return one layer per owner over stacked flows, or the layer itself where there is a single owner."""
    runs = lengths(owners)
    return make() if len(runs) == 1 else Runs([make() for _ in runs], runs)
