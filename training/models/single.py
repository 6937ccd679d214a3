"""One stream of a network alone: its own norms, no exchange, its own decision.

A channel that the exchange would replace keeps its own value, which is the constant β where γ is 0.
"""

from __future__ import annotations

import copy
from itertools import chain
from typing import Protocol, TypeVar, runtime_checkable

from torch import nn

from crosswire.training.config import ConfigError

Network = TypeVar("Network", bound=nn.Module)


@runtime_checkable
class PerStream(Protocol):
    """A module that treats several streams and can treat one of them alone."""

    def single(self, stream: int) -> nn.Module:
        """Return a module for one stream that uses the same parameters and buffers."""


def single_stream(network: Network, stream: int) -> Network:
    """Return a network for one stream alone.

    It uses the parameters and buffers of the whole network, so both train and move together; moving the whole network
    to another device afterwards parts their buffers.

    Args:
        network: with M streams.
        stream: which one stays, 0..M-1.

    Returns:
        a network that takes one input [N, c_m, H, W] and whose ensemble is the stream's own decision.

    Raises:
        ConfigError: the network mixes its streams in a way that leaves no single one.
    """
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    alone = copy.deepcopy(network, shared)
    for parent in list(alone.modules()):
        if isinstance(parent, PerStream):  # replaced as a whole
            continue
        for name, child in list(parent.named_children()):
            if isinstance(child, PerStream):
                setattr(parent, name, child.single(stream))
            elif hasattr(child, "streams"):
                raise ConfigError(
                    f"{type(child).__name__} mixes the streams, so none of them can decide alone; "
                    "choose a network that keeps its streams apart"
                )
    return alone
