"""From a configuration to what the streams do to each other behind the norms at the exchange points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from crosswire.training.models.exchange import ChannelExchange, Mixing, Substitution
from crosswire.training.models.fusion.conditional import ConditionalNorm
from crosswire.training.models.fusion.mix import GatedSum, SumStreams
from crosswire.training.models.fusion.substitute import Discard, FixedPortion, RandomPortion, WeightedExchange

Rule = Substitution | Mixing
#: Makes a rule from the number of channels and of streams.
RuleMaker = Callable[[int, int], Rule]


class RuleConfig(Protocol):
    """The settings of a rule, which the configurations of all networks with exchange points have."""

    @property
    def fusion(self) -> str:
        """One of `crosswire.training.tasks.options.RULES`, or something else for no rule."""

    @property
    def threshold(self) -> float:
        """θ of Eq. 6."""

    @property
    def portion(self) -> float:
        """Share of a stream's channels that the rules `fixed` and `random` replace."""

    @property
    def restrict(self) -> bool:
        """Replace only inside a stream's own sub-part, or anywhere."""

    @property
    def penalise(self) -> str:
        """One of `crosswire.training.tasks.options.PENALISED`."""


def rule_maker(config: RuleConfig) -> RuleMaker | None:
    """Return what makes the rules of a network; None where nothing happens at its exchange points."""
    makers: dict[str, RuleMaker] = {
        "exchange": partial(ChannelExchange, threshold=config.threshold, restrict=config.restrict),
        "weighted": partial(WeightedExchange, threshold=config.threshold, restrict=config.restrict),
        "discard": partial(Discard, threshold=config.threshold, restrict=config.restrict),
        "fixed": partial(FixedPortion, portion=config.portion, restrict=config.restrict),
        "random": partial(RandomPortion, portion=config.portion, restrict=config.restrict),
        "sum": SumStreams,
        "gate": GatedSum,
        "cbn": ConditionalNorm,
    }
    return makers.get(config.fusion)


def penalty(config: RuleConfig) -> str:
    """Return which γ̂ the L1 term reaches: half, all or none."""
    if config.penalise != "auto":
        return config.penalise
    return "half" if config.fusion in ("exchange", "weighted", "discard") else "none"
