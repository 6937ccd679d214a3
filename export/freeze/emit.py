"""Writing the frozen graph: values that are one tensor or one per stream, and the nodes that make them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from crosswire.export.freeze.groups import Group, StreamPlan


@dataclass(frozen=True)
class Stacked:
    """One tensor [M*N, C, H, W] for all streams, channels as in the live network.

    Attributes:
        node: the tensor.
        streams: M.
    """

    node: fx.Node
    streams: int


@dataclass(frozen=True)
class Parallel:
    """One tensor [N, C, H, W] per stream.

    Attributes:
        nodes: M nodes.
        positions: per stream the place of every live channel, or None where nothing moved; `ABSENT` where nobody
            reads it.
    """

    nodes: tuple[fx.Node, ...]
    positions: tuple[tuple[int, ...] | None, ...]


class Emitter:
    """Collects the nodes and weights of a frozen graph.

    Attributes:
        known: names of modules that are called again for other streams, by what they were made of.
    """

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.root = nn.Module()
        self.known: dict[Any, str] = {}

    def module(self, name: str, module: nn.Module, *inputs: fx.Node) -> fx.Node:
        """Add a module under a free name and call it."""
        key = name.replace(".", "_")
        while hasattr(self.root, key):
            key += "_"
        self.root.add_module(key, module)
        return self.graph.call_module(key, inputs)

    def function(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Call a function."""
        return self.graph.call_function(target, args, kwargs)

    def constant(self, name: str, tensor: torch.Tensor) -> fx.Node:
        """Add a constant tensor under a free name."""
        free = next(key for key in chain([name], (f"{name}_{n}" for n in count(1))) if not hasattr(self.root, key))
        self.root.register_buffer(free, tensor)
        return self.graph.get_attr(free)

    def channels(self, node: fx.Node, first: int, length: int) -> fx.Node:
        """Slice channels out of a tensor."""
        return self.function(operator.getitem, node, (slice(None), slice(first, first + length)))

    def concatenate(self, nodes: Sequence[fx.Node], axis: int) -> fx.Node:
        """Concatenate tensors, or return the only one."""
        return nodes[0] if len(nodes) == 1 else self.function(torch.cat, tuple(nodes), axis)

    def exchange(
        self, computed: Sequence[fx.Node | None], plans: Sequence[StreamPlan], weights: torch.Tensor | None = None
    ) -> Parallel:
        """Give every stream its kept channels and, behind them, what it borrows.

        Args:
            computed: what every stream computes; None where it computes nothing.
            plans: the layout of every stream.
            weights: [M, M, C], of every source in every channel of a stream; None for the mean of the other streams.
        """
        nodes = []
        for stream, plan in enumerate(plans):
            parts = []
            own = computed[stream]
            if plan.kept and own is not None:
                parts.append(own if plan.kept == len(plan.computed) else self.channels(own, 0, plan.kept))
            scales = None if weights is None else weights[stream]
            parts += [self._loan(computed, plans, stream, group, scales) for group in plan.borrowed]
            nodes.append(self.concatenate(parts, 1))
        positions = (plan.position for plan in plans)
        return Parallel(tuple(nodes), tuple(None if list(p) == list(range(len(p))) else p for p in positions))

    def discard(self, computed: Sequence[fx.Node], plans: Sequence[StreamPlan]) -> Parallel:
        """Give every stream its kept channels and, behind them, zeros for those that it discards."""
        nodes = []
        for node, plan in zip(computed, plans, strict=True):
            zeros = len(plan.position) - plan.kept
            nodes.append(self.function(F.pad, node, (0, 0, 0, 0, 0, zeros)) if zeros else node)
        return Parallel(tuple(nodes), tuple(plan.position for plan in plans))

    def _loan(
        self,
        computed: Sequence[fx.Node | None],
        plans: Sequence[StreamPlan],
        borrower: int,
        group: Group,
        weights: torch.Tensor | None,
    ) -> fx.Node:
        """Return the mean, or with weights [M, C] the weighted sum, over the other streams of one group of channels."""
        loans = []
        for stream, (node, plan) in enumerate(zip(computed, plans, strict=True)):
            if stream != borrower:
                assert node is not None
                first, length = plan.place(group)
                loan = node if length == len(plan.computed) else self.channels(node, first, length)
                if weights is not None:
                    scale = weights[stream, list(group.channels)].view(1, -1, 1, 1).clone()
                    loan = self.function(operator.mul, loan, self.constant("weights", scale))
                loans.append(loan)
        total = loans[0]
        for loan in loans[1:]:
            total = self.function(operator.add, total, loan)
        return total if len(loans) == 1 or weights is not None else self.function(operator.mul, total, 1 / len(loans))

    def aligned(self, value: Parallel) -> Parallel:
        """Bring every stream's channels back into the live order, run by run."""
        nodes = []
        for node, position in zip(value.nodes, value.positions, strict=True):
            nodes.append(node if position is None else self.picked(node, position))
        return Parallel(tuple(nodes), (None,) * len(nodes))

    def picked(self, node: fx.Node, places: Sequence[int]) -> fx.Node:
        """Take channels out of a tensor in a given order, run by run."""
        runs: list[tuple[int, int]] = []
        for place in places:
            if runs and runs[-1][0] + runs[-1][1] == place:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((place, 1))
        return self.concatenate([self.channels(node, first, length) for first, length in runs], 1)

    def stacked(self, value: Stacked | Parallel) -> Stacked:
        """Stack streams on the batch axis, in the live channel order."""
        if isinstance(value, Stacked):
            return value
        return Stacked(self.concatenate(self.aligned(value).nodes, 0), len(value.nodes))

    def parallel(self, value: Stacked | Parallel) -> Parallel:
        """Take a stacked tensor apart."""
        if isinstance(value, Parallel):
            return value
        if value.streams == 1:
            return Parallel((value.node,), (None,))
        by_stream = self.graph.call_method("unflatten", (value.node, 0, (value.streams, -1)))
        nodes = []
        for stream in range(value.streams):
            part = self.function(operator.getitem, by_stream, slice(stream, stream + 1))
            nodes.append(self.graph.call_method("squeeze", (part, 0)))
        return Parallel(tuple(nodes), (None,) * value.streams)

    def joined(self, values: Sequence[Parallel], widths: Sequence[int]) -> Parallel:
        """Concatenate the channels of every stream, each part as it lies.

        Args:
            values: the parts, with as many streams each.
            widths: live channels of every part.
        """
        nodes, positions = [], []
        for stream in range(len(values[0].nodes)):
            places: list[int] = []
            for value, width in zip(values, widths, strict=True):
                first = len(places)
                own = value.positions[stream]
                places += [first + place for place in (range(width) if own is None else own)]
            nodes.append(self.concatenate([value.nodes[stream] for value in values], 1))
            moved = any(value.positions[stream] is not None for value in values)
            positions.append(tuple(places) if moved else None)
        return Parallel(tuple(nodes), tuple(positions))

    def side_by_side(self, values: Sequence[Stacked | Parallel]) -> Parallel:
        """Return the streams of several values as one."""
        parts = [self.parallel(value) for value in values]
        positions = tuple(position for part in parts for position in part.positions)
        return Parallel(tuple(node for part in parts for node in part.nodes), positions)

    def weighted_sum(self, value: Stacked | Parallel, weights: torch.Tensor) -> fx.Node:
        """Sum streams up with one weight each."""
        if len(weights) == 1:
            return self.parallel(value).nodes[0]
        if isinstance(value, Stacked):
            by_stream = self.graph.call_method("unflatten", (value.node, 0, (value.streams, -1)))
            scale = self.constant("alpha", weights.view(-1, 1, 1, 1, 1).clone())
            return self.function(torch.sum, self.function(operator.mul, by_stream, scale), 0)
        terms = [
            self.function(operator.mul, node, float(weight))
            for node, weight in zip(self.aligned(value).nodes, weights, strict=True)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = self.function(operator.add, total, term)
        return total
