"""What an exchange becomes once its masks are constant: which channels are computed, lent and borrowed.

Channels are grouped by the set of streams in which they are replaced. A stream computes only the channels that it
keeps or lends; its convolution writes them group by group, so that a loan is one slice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Place of a live channel that is not computed, since nobody reads it.
ABSENT = -1


@dataclass(frozen=True)
class Group:
    """Channels that are replaced in the same streams.

    Attributes:
        replaced: the streams in which they are replaced.
        channels: their indices in the live network, rising.
    """

    replaced: frozenset[int]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class StreamPlan:
    """What one stream computes and where it lies.

    Attributes:
        computed: live channel index of every filter that is kept, in the order in which they are written.
        kept: how many of them, from the front, the stream keeps for itself; the rest is only lent.
        borrowed: the groups that follow the kept channels, in order, each the mean of the other streams.
        position: per live channel its place in the stream after the exchange, or `ABSENT`.
    """

    computed: tuple[int, ...]
    kept: int
    borrowed: tuple[Group, ...]
    position: tuple[int, ...]

    def place(self, group: Group) -> tuple[int, int]:
        """Return first index and length of a group among the computed channels."""
        return self.computed.index(group.channels[0]), len(group.channels)

    def padded(self, multiple: int) -> StreamPlan:
        """Return a plan that computes a multiple of some number of channels, with replaced ones that nobody reads.

        Kernels take channels by the vector; what is left over they take one by one, which costs more than it saves.
        """
        idle = sorted(set(range(len(self.position))) - set(self.computed))
        wanted = -len(self.computed) % multiple
        if wanted > len(idle) or not self.computed:
            return self
        return dataclasses.replace(self, computed=(*self.computed, *idle[:wanted]))

    def restricted(self, channels: Sequence[int]) -> StreamPlan:
        """Return a plan of these channels in this order, of a stream in a group that exchanges nothing."""
        places = {channel: place for place, channel in enumerate(channels)}
        position = tuple(places.get(channel, ABSENT) for channel in range(len(self.position)))
        return StreamPlan(tuple(channels), len(channels), (), position)


def group_channels(masks: Sequence[Tensor]) -> list[Group]:
    """Group channels by the streams that replace them; the group that nobody replaces comes first.

    Args:
        masks: per stream bool [C], True where the channel is replaced.
    """
    members: dict[frozenset[int], list[int]] = {}
    for channel, column in enumerate(torch.stack(tuple(masks)).T.tolist()):
        replaced = frozenset(stream for stream, masked in enumerate(column) if masked)
        members.setdefault(replaced, []).append(channel)
    ordered = sorted(members.items(), key=lambda item: (len(item[0]), sorted(item[0])))
    return [Group(replaced, tuple(channels)) for replaced, channels in ordered]


def plan_streams(masks: Sequence[Tensor]) -> list[StreamPlan]:
    """Plan the layout of every stream around one exchange.

    Args:
        masks: per stream bool [C], True where the channel is replaced.
    """
    groups = group_channels(masks)
    plans = []
    for stream in range(len(masks)):
        kept = [group for group in groups if stream not in group.replaced]
        only_lent = [group for group in groups if stream in group.replaced and len(group.replaced) > 1]
        borrowed = [group for group in groups if stream in group.replaced]
        after = [channel for group in (*kept, *borrowed) for channel in group.channels]
        position = [0] * len(after)
        for place, channel in enumerate(after):
            position[channel] = place
        plans.append(
            StreamPlan(
                computed=tuple(channel for group in (*kept, *only_lent) for channel in group.channels),
                kept=sum(len(group.channels) for group in kept),
                borrowed=tuple(borrowed),
                position=tuple(position),
            )
        )
    return plans
