"""The pass that turns a live network into a frozen one.

The live network is traced with its stream-aware modules as leaves, then rewritten node by node according to the
modules' types: convolution and private norm become one pruned convolution per stream, an exchange becomes slices and
concatenations, layers without norms run once on the stacked batch, and the ensemble is summed up before a linear head.
What mixes whole streams (a fusion module, a sum instead of an exchange) stays as it is and runs on the stacked batch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from crosswire.export.freeze.emit import Emitter, Parallel, Stacked
from crosswire.export.freeze.flows import (
    PLAIN_NORMS,
    conv_of,
    depthwise_plans,
    depthwise_reads,
    groups_of,
    is_conv,
    is_norm,
    plans_of,
    width,
)
from crosswire.export.freeze.fold import Conv, FreezeError, Norm, folded_conv, is_depthwise
from crosswire.export.freeze.groups import StreamPlan
from crosswire.export.freeze.layers import folded_layer, selected_blocks
from crosswire.export.freeze.pooling import BinAverage
from crosswire.training.models import Decisions, Ensemble, PrivateNorm2d, StackStreams, StreamConv2d
from crosswire.training.models.exchange import Mixing
from crosswire.training.models.fusion.decide import ConcatDecision
from crosswire.training.models.fusion.gather import StreamFusion
from crosswire.training.models.fusion.substitute import Discard, WeightedExchange
from crosswire.training.models.translation import (
    InstanceNorm,
    PartlySharedNorm2d,
    Runs,
    StackFlows,
    TaskBlocks,
    TaskMix,
)
from crosswire.training.tasks.translation.network import ImageMix

_ELEMENTWISE = (F.relu, F.relu6, F.leaky_relu, F.max_pool2d, F.interpolate, operator.add, torch.tanh)
_COPIED = (nn.ReLU, nn.MaxPool2d)
_STREAMS = (StackStreams, StreamConv2d, PrivateNorm2d, StreamFusion, Ensemble, ConcatDecision)
_FLOWS = (StackFlows, Runs, InstanceNorm, PartlySharedNorm2d, TaskMix, TaskBlocks)
_DROPPED = (nn.Dropout, nn.Identity)


@dataclass(frozen=True)
class _Waiting:
    """A convolution that waits for the norm or the ensemble behind it."""

    conv: nn.Module
    name: str
    value: Stacked | Parallel

    @property
    def shared(self) -> Conv | None:
        """The convolution where it is everybody's, else None."""
        return None if isinstance(self.conv, StreamConv2d | Runs) else conv_of(self.conv, 0)


def freeze(network: nn.Module) -> fx.GraphModule:
    """Rebuild a network for inference with its exchange as a constant.

    Args:
        network: the live network; it is not changed. Its masks are read from its scaling factors as they are now.

    Returns:
        A module that maps normalised inputs [N, c_m, H, W] to the ensemble's logits [N, K, h, w], or to one image
        [N, 3, H, W] per task; with no mask, no normalisation layer that running statistics decide, and no filter whose
        result is replaced.

    Raises:
        FreezeError: a layer that the pass does not know, by name and type.
    """
    return _Freezer(network).run()


def _bins(name: str, pool: nn.AdaptiveAvgPool2d) -> int:
    """Return the bins per side of an adaptive pooling."""
    if not isinstance(pool.output_size, int):
        raise FreezeError(f"layer {name!r} pools to {pool.output_size}; only as many rows as columns can be frozen")
    return pool.output_size


def _with_conv(name: str, value: Any, channels: int) -> _Waiting:
    """Return what a norm folds into: the convolution before it, or a 1x1 identity where there is none."""
    if isinstance(value, _Waiting):
        return value
    identity = nn.Conv2d(channels, channels, 1, bias=False)
    nn.init.dirac_(identity.weight)
    return _Waiting(identity.requires_grad_(False), name, value)


class _Inputs(fx.Proxy):
    """The inputs of a network, of which there are as many as streams."""

    tracer: _Tracer

    def __len__(self) -> int:
        return self.tracer.streams

    def __iter__(self) -> Iterator[fx.Proxy]:
        return iter([self[stream] for stream in range(len(self))])  # type: ignore[index]


class _Tracer(fx.Tracer):
    """Traces through everything but the modules that know about streams."""

    def __init__(self, streams: int) -> None:
        super().__init__()
        self.streams = streams

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Inputs(node, self) if node.op == "placeholder" else fx.Proxy(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_STREAMS, *_FLOWS)) or super().is_leaf_module(m, module_qualified_name)


class _Freezer:
    """One run of the pass."""

    def __init__(self, network: Any) -> None:
        self.modules = dict(network.named_modules())
        streams = len(network.stack.channels)
        self.live = _Tracer(streams).trace(network)
        self.emit = Emitter()
        self.inputs = [self.emit.graph.placeholder(f"stream_{stream}") for stream in range(streams)]
        self.values: dict[fx.Node, Any] = {}

    def run(self) -> fx.GraphModule:
        """Rewrite every node and assemble the frozen module."""
        rules: dict[str, Callable[[fx.Node], Any]] = {
            "placeholder": lambda node: None,
            "call_module": self._module,
            "call_function": self._function,
        }
        for node in self.live.nodes:
            if node.op == "output":
                self.emit.graph.output(self._answer(self.values[node.args[0]]))
                continue
            if node.op not in rules:
                raise FreezeError(
                    f"{node.op} of {node.target!r} cannot be frozen; call modules and known functions only"
                )
            self.values[node] = rules[node.op](node)
        frozen = fx.GraphModule(self.emit.root, self.emit.graph, "FrozenNetwork")
        frozen.graph.eliminate_dead_code()
        frozen.graph.lint()
        frozen.recompile()
        frozen.delete_all_unused_submodules()
        return frozen.eval()

    def _answer(self, value: Any) -> Any:
        """Return what the frozen network returns: logits, or an image per task."""
        value = self._settled(value)
        return self.emit.parallel(value).nodes if isinstance(value, Stacked | Parallel) else value

    def _module(self, node: fx.Node) -> Any:
        """Rewrite the call of a module according to its type."""
        name = str(node.target)
        module = self.modules[name]
        if isinstance(module, StackStreams | StackFlows):
            return self._streams(module)
        value = self.values[node.args[0]]  # type: ignore[index]
        if is_conv(module):
            return self._conv(node, name, module, self._settled(value))
        if isinstance(module, PLAIN_NORMS):
            return self._shared_norm(name, module, value)
        if is_norm(module):
            return self._private_norm(node, name, module, value)
        if isinstance(module, Ensemble):
            return self._ensemble(module, value)
        if isinstance(module, TaskMix):
            return self._mix(module, self._settled(value))
        value = self._settled(value)
        if isinstance(module, TaskBlocks):
            return selected_blocks(self.emit, name, module, value)
        if isinstance(module, StreamFusion):
            stacked = self.emit.stacked(value)
            fused = self.emit.module(name, module, stacked.node)
            return Stacked(fused, 1 if module.merges else stacked.streams)
        if isinstance(module, ConcatDecision):
            return self.emit.module(name, module, self.emit.stacked(value).node)
        if isinstance(module, _DROPPED):
            return value
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module = BinAverage(_bins(name, module))
        if isinstance(module, (*_COPIED, BinAverage)):
            if isinstance(value, Stacked):
                return Stacked(self.emit.module(name, module, value.node), value.streams)
            nodes = tuple(self.emit.module(f"{name}_{m}", module, x) for m, x in enumerate(value.nodes))
            return Parallel(nodes, value.positions)
        raise FreezeError(f"layer {name!r} of type {type(module).__name__} cannot be frozen")

    def _streams(self, module: StackStreams | StackFlows) -> Parallel:
        """Begin with one input per stream; a tiled channel stays one channel, its filters add up."""
        places = [tuple(i % channels for i in range(module.out_channels)) for channels in module.channels]
        moved = [None if p == tuple(range(c)) else p for p, c in zip(places, module.channels, strict=True)]
        sources = module.sources if isinstance(module, StackFlows) else range(len(moved))
        return Parallel(tuple(self.inputs[s] for s in sources), tuple(moved[s] for s in sources))

    def _conv(
        self, node: fx.Node, name: str, conv: nn.Module, value: Stacked | Parallel
    ) -> _Waiting | Stacked | Parallel:
        """Keep a convolution for the norm or ensemble behind it, or run it."""
        users = [self.modules.get(str(user.target)) for user in node.users]
        waiting = _Waiting(conv, name, value)
        if any(is_norm(user) or isinstance(user, Ensemble) for user in users):
            return waiting
        return self._run(waiting)

    def _settled(self, value: Any) -> Any:
        """Run a convolution that nothing folds into."""
        return self._run(value) if isinstance(value, _Waiting) else value

    def _run(self, waiting: _Waiting, norm: Norm | None = None) -> Stacked | Parallel:
        """Run a shared convolution once for all streams, and unshared ones stream by stream, with a shared norm.

        Streams that are the same image, or images of tiled channels, are taken one by one, each once.
        """
        value, shared = waiting.value, waiting.shared
        tiled = isinstance(value, Parallel) and any(p and len(set(p)) < len(p) for p in value.positions)
        repeated = isinstance(value, Parallel) and len(set(value.nodes)) < len(value.nodes)
        if shared is None or tiled or repeated:
            parallel = self.emit.parallel(value)
            norms = [norm] * len(parallel.nodes)
            plain = range(conv_of(waiting.conv, 0).out_channels)
            nodes = self._convolved(waiting, parallel, norms, [plain] * len(norms))
            return Parallel(tuple(node for node in nodes if node is not None), (None,) * len(nodes))
        stacked = self.emit.stacked(value)
        node = folded_layer(self.emit, waiting.name, shared, norm, None, range(shared.out_channels), stacked.node)
        return Stacked(node, stacked.streams)

    def _convolved(
        self,
        waiting: _Waiting,
        parallel: Parallel,
        norms: Sequence[Norm | None],
        filters: Sequence[Sequence[int]],
    ) -> list[fx.Node | None]:
        """Run one folded convolution of chosen filters per stream; None for a stream that computes nothing."""
        nodes: list[fx.Node | None] = []
        known: dict[Any, fx.Node] = {}
        for stream, (x, position) in enumerate(zip(parallel.nodes, parallel.positions, strict=True)):
            if not filters[stream]:
                nodes.append(None)
                continue
            conv = conv_of(waiting.conv, stream)
            key = (x, position, conv, norms[stream], tuple(filters[stream]))
            if key not in known:
                if is_depthwise(conv):
                    x, position = self._depthwise_input(conv, x, position, filters[stream]), None
                name = f"{waiting.name}_{stream}"
                known[key] = folded_layer(self.emit, name, conv, norms[stream], position, filters[stream], x)
            nodes.append(known[key])
        return nodes

    def _depthwise_input(
        self, conv: Conv, x: fx.Node, position: Sequence[int] | None, filters: Sequence[int]
    ) -> fx.Node:
        """Return the channels that chosen filters of a depth-wise convolution read, in the order of the filters."""
        places = [channel if position is None else position[channel] for channel in filters]
        there = conv.in_channels if position is None else max(position) + 1
        return x if places == list(range(there)) else self.emit.picked(x, places)

    def _shared_norm(self, name: str, norm: Norm, value: Any) -> Stacked | Parallel:
        """Fold a norm that all streams share into the convolution before it."""
        return self._run(_with_conv(name, value, norm.num_features), norm)

    def _private_norm(self, node: fx.Node, name: str, module: nn.Module, value: Any) -> Stacked | Parallel:
        """Fold private norms into the convolution before them, without the filters that are replaced.

        Before a depth-wise convolution also without those that only replaced channels of it would read.
        """
        first = groups_of(module, 1)[0][1][0]
        waiting = _with_conv(name, value, first.num_features)
        parallel = self.emit.parallel(waiting.value)
        groups = groups_of(module, len(parallel.nodes))
        planned = depthwise_plans if is_depthwise(conv_of(waiting.conv, 0)) else plans_of
        plans = [planned(group, norms) for group, norms in groups]
        alone = len(plans) == 1 and not any(plan.borrowed for plan in plans[0])
        if alone and (read := depthwise_reads(node, self.modules)):
            plans = [[plan.restricted(channels) for plan, channels in zip(plans[0], read, strict=True)]]
        norms = [norm for _, own in groups for norm in own]
        computed = self._convolved(waiting, parallel, norms, [plan.computed for part in plans for plan in part])
        exchanged: list[Stacked | Parallel] = []
        for (group, own), part in zip(groups, plans, strict=True):
            exchanged.append(self._exchange(name, group, computed[: len(own)], part))
            computed = computed[len(own) :]
        return exchanged[0] if len(exchanged) == 1 else self.emit.side_by_side(exchanged)

    def _exchange(
        self, name: str, group: PrivateNorm2d | None, computed: list[fx.Node | None], plans: Sequence[StreamPlan]
    ) -> Stacked | Parallel:
        """Let the streams of a group do to each other what its rule says."""
        rule = group.rule if group else None
        if isinstance(rule, Discard):
            if any(node is None for node in computed):
                raise FreezeError(f"a stream discards every channel of {name!r}: nothing of it is left to freeze")
            return self.emit.discard([node for node in computed if node is not None], plans)
        weights = rule.source_weights() if isinstance(rule, WeightedExchange) else None
        exchanged = self.emit.exchange(computed, plans, weights)
        if not isinstance(rule, Mixing):
            return exchanged
        stacked = self.emit.stacked(exchanged)
        return Stacked(self.emit.module(f"{name}_rule", rule, stacked.node), stacked.streams)

    def _mix(self, mix: TaskMix, value: Stacked | Parallel) -> Stacked | Parallel:
        """Sum the flows of every task up."""
        tasks, streams = mix.scores.shape
        if streams == 1:
            return value
        flows = self.emit.parallel(value)
        parts = [slice(task * streams, (task + 1) * streams) for task in range(tasks)]
        sums = [
            self.emit.weighted_sum(Parallel(flows.nodes[part], flows.positions[part]), alpha)
            for part, alpha in zip(parts, mix.alpha.detach(), strict=True)
        ]
        return Parallel(tuple(sums), (None,) * tasks)

    def _ensemble(self, ensemble: Ensemble, value: Any) -> fx.Node:
        """Sum the streams up before a shared linear head, which then runs once."""
        alpha = ensemble.alpha.detach()
        if not isinstance(value, _Waiting) or value.shared is None:
            return self.emit.weighted_sum(self._settled(value), alpha)
        summed = self.emit.weighted_sum(value.value, alpha)
        return self.emit.module(value.name, folded_conv(value.shared, None, None, None), summed)

    def _function(self, node: fx.Node) -> Any:
        """Rewrite the call of a function that leaves channels where they are."""
        if node.target in (Decisions, ImageMix):  # of which only the first is served
            return self.values[node.args[0]]  # type: ignore[index]
        if node.target in (getattr, operator.getitem):
            source = self.values[node.args[0]]  # type: ignore[index]
            if source is None:  # an input by index, which only the stacking reads
                return None
            if isinstance(source, Parallel):
                source = source.nodes[0]
            elif isinstance(source, Stacked):
                source = source.node
            return self.emit.function(node.target, source, *node.args[1:])
        if node.target is torch.cat:
            return self._concatenation(node)
        if node.target not in _ELEMENTWISE:
            raise FreezeError(f"function {node.target!r} cannot be frozen")
        tensors = [self._settled(self.values[arg]) for arg in node.args if isinstance(arg, fx.Node)]
        rest = [arg for arg in node.args if not isinstance(arg, fx.Node)]
        kwargs = {key: self.values[arg] if isinstance(arg, fx.Node) else arg for key, arg in node.kwargs.items()}
        if all(isinstance(t, Parallel) for t in tensors):
            if len({t.positions for t in tensors}) > 1:
                tensors = [self.emit.aligned(t) for t in tensors]
            columns = list(zip(*(t.nodes for t in tensors), strict=True))
            made = {column: self.emit.function(node.target, *column, *rest, **kwargs) for column in columns}
            return Parallel(tuple(made[column] for column in columns), tensors[0].positions)
        stacked = [self.emit.stacked(t) for t in tensors]
        fused = self.emit.function(node.target, *(t.node for t in stacked), *rest, **kwargs)
        return Stacked(fused, stacked[0].streams)

    def _concatenation(self, node: fx.Node) -> Stacked | Parallel:
        """Concatenate channels: streams that are apart as they lie, a stack in the live order."""
        parts: Any
        parts, axis = node.args
        if axis != 1:
            raise FreezeError(f"a concatenation along axis {axis!r} cannot be frozen; only along the channels, 1")
        values = [self._settled(self.values[part]) for part in parts]
        if any(isinstance(value, Parallel) for value in values):
            widths = [width(part, self.modules) for part in parts]
            return self.emit.joined([self.emit.parallel(value) for value in values], widths)
        stacked = [self.emit.stacked(value) for value in values]
        return Stacked(self.emit.concatenate([part.node for part in stacked], 1), stacked[0].streams)
