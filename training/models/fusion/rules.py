"""From a configuration to what the streams do to each other behind the norms at the exchange points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from training.config import NetworkConfig
from training.models.exchange import ChannelExchange, Mixing, Substitution
from training.models.fusion.conditional import ConditionalNorm
from training.models.fusion.mix import GatedSum, SumStreams
from training.models.fusion.substitute import Discard, FixedPortion, RandomPortion

Rule = Substitution | Mixing
#: Makes a rule from the number of channels and of streams.
RuleMaker = Callable[[int, int], Rule]


def rule_maker(config: NetworkConfig) -> RuleMaker | None:
    """Return what makes the rules of a network; None where nothing happens at its exchange points."""
    makers: dict[str, RuleMaker] = {
        "exchange": partial(ChannelExchange, threshold=config.threshold, restrict=config.restrict),
        "discard": partial(Discard, threshold=config.threshold, restrict=config.restrict),
        "fixed": partial(FixedPortion, portion=config.portion, restrict=config.restrict),
        "random": partial(RandomPortion, portion=config.portion, restrict=config.restrict),
        "sum": SumStreams,
        "gate": GatedSum,
        "cbn": ConditionalNorm,
    }
    return makers.get(config.fusion)


def penalty(config: NetworkConfig) -> str:
    """Return which γ̂ the L1 term reaches: half, all or none."""
    if config.penalise != "auto":
        return config.penalise
    return "half" if config.fusion in ("exchange", "discard") else "none"
