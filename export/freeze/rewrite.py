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
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import fx, nn

from export.freeze.emit import Emitter, Parallel, Stacked
from export.freeze.fold import folded_conv
from export.freeze.groups import StreamPlan, plan_streams
from export.freeze.pooling import BinAverage
from training.models import Decisions, Ensemble, PrivateNorm2d, SegmentationNetwork, StackStreams, StreamConv2d
from training.models.exchange import Mixing
from training.models.fusion.decide import ConcatDecision
from training.models.fusion.gather import StreamFusion
from training.models.fusion.substitute import Discard

_ELEMENTWISE = (F.relu, F.max_pool2d, F.interpolate, operator.add)
_COPIED = (nn.ReLU, nn.MaxPool2d)
_LEAVES = (StackStreams, StreamConv2d, PrivateNorm2d, StreamFusion, Ensemble, ConcatDecision)
_DROPPED = (nn.Dropout, nn.Identity)


class FreezeError(ValueError):
    """The network holds something that the pass does not know; the message names it."""


@dataclass(frozen=True)
class _Waiting:
    """A convolution that waits for the norm or the ensemble behind it."""

    conv: nn.Conv2d | StreamConv2d
    name: str
    value: Stacked | Parallel

    def of(self, stream: int) -> nn.Conv2d:
        """Return the convolution of one stream, which may be everybody's."""
        conv = self.conv.convs[stream] if isinstance(self.conv, StreamConv2d) else self.conv
        assert isinstance(conv, nn.Conv2d)
        return conv


def freeze(network: SegmentationNetwork) -> fx.GraphModule:
    """Rebuild a network for inference with its exchange as a constant.

    Args:
        network: the live network; it is not changed. Its masks are read from its scaling factors as they are now.

    Returns:
        A module that maps M normalised inputs [N, c_m, H, W] to the ensemble's logits [N, K, h, w], with no mask,
        no normalisation layer and no filter whose result is replaced.

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
        return isinstance(m, _LEAVES) or super().is_leaf_module(m, module_qualified_name)


class _Freezer:
    """One run of the pass."""

    def __init__(self, network: SegmentationNetwork) -> None:
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
                self.emit.graph.output(self._settled(self.values[node.args[0]]))
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

    def _module(self, node: fx.Node) -> Any:
        """Rewrite the call of a module according to its type."""
        name = str(node.target)
        module = self.modules[name]
        if isinstance(module, StackStreams):
            return self._streams(module)
        value = self.values[node.args[0]]  # type: ignore[index]
        if isinstance(module, nn.Conv2d | StreamConv2d):
            return self._conv(node, name, module, self._settled(value))
        if isinstance(module, PrivateNorm2d):
            return self._private_norm(name, module, value)
        if isinstance(module, nn.BatchNorm2d):
            return self._shared_norm(name, module, value)
        if isinstance(module, Ensemble):
            return self._ensemble(module, value)
        value = self._settled(value)
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

    def _streams(self, module: StackStreams) -> Parallel:
        """Begin with one input per stream; a tiled channel stays one channel, its filters add up."""
        places = [tuple(i % channels for i in range(module.out_channels)) for channels in module.channels]
        moved = (None if p == tuple(range(c)) else p for p, c in zip(places, module.channels, strict=True))
        return Parallel(tuple(self.inputs), tuple(moved))

    def _conv(
        self, node: fx.Node, name: str, conv: nn.Conv2d | StreamConv2d, value: Stacked | Parallel
    ) -> _Waiting | Stacked | Parallel:
        """Keep a convolution for the norm or ensemble behind it, or run it."""
        users = [self.modules.get(str(user.target)) for user in node.users]
        waiting = _Waiting(conv, name, value)
        if any(isinstance(user, PrivateNorm2d | nn.BatchNorm2d | Ensemble) for user in users):
            return waiting
        return self._run(waiting)

    def _settled(self, value: Any) -> Any:
        """Run a convolution that nothing folds into."""
        return self._run(value) if isinstance(value, _Waiting) else value

    def _run(self, waiting: _Waiting, norm: nn.BatchNorm2d | None = None) -> Stacked | Parallel:
        """Run a shared convolution once for all streams, and unshared ones stream by stream, with a shared norm."""
        if isinstance(waiting.conv, StreamConv2d):
            parallel = self.emit.parallel(waiting.value)
            plain = plan_streams([torch.zeros(waiting.of(0).out_channels, dtype=torch.bool)])
            norms = [norm] * len(parallel.nodes)
            nodes = self._convolved(waiting, parallel, norms, plain * len(parallel.nodes))
            return Parallel(tuple(node for node in nodes if node is not None), (None,) * len(nodes))
        stacked = self.emit.stacked(waiting.value)
        conv = folded_conv(waiting.conv, norm, None, None)
        return Stacked(self.emit.module(waiting.name, conv, stacked.node), stacked.streams)

    def _convolved(
        self,
        waiting: _Waiting,
        parallel: Parallel,
        norms: Sequence[nn.BatchNorm2d | None],
        plans: Sequence[StreamPlan],
    ) -> list[fx.Node | None]:
        """Run one folded and pruned convolution per stream; None for a stream that computes nothing."""
        nodes: list[fx.Node | None] = []
        for stream, (x, position) in enumerate(zip(parallel.nodes, parallel.positions, strict=True)):
            if not plans[stream].computed:
                nodes.append(None)
                continue
            conv = folded_conv(waiting.of(stream), norms[stream], position, plans[stream].computed)
            nodes.append(self.emit.module(f"{waiting.name}_{stream}", conv, x))
        return nodes

    def _shared_norm(self, name: str, norm: nn.BatchNorm2d, value: Any) -> Stacked | Parallel:
        """Fold a norm that all streams share into the convolution before it."""
        return self._run(_with_conv(name, value, norm.num_features), norm)

    def _private_norm(self, name: str, norm: PrivateNorm2d, value: Any) -> Stacked | Parallel:
        """Fold private norms into the convolution before them, without the filters that are replaced."""
        waiting = _with_conv(name, value, norm.channels)
        masks = norm.masks()
        discards = isinstance(norm.rule, Discard)
        plans = [plan_streams([mask])[0] for mask in masks] if discards else plan_streams(masks)
        norms = [cast(nn.BatchNorm2d, private) for private in norm.norms]
        computed = self._convolved(waiting, self.emit.parallel(waiting.value), norms, plans)
        if discards:
            if any(node is None for node in computed):
                raise FreezeError(f"a stream discards every channel of {name!r}: nothing of it is left to freeze")
            return self.emit.discard([node for node in computed if node is not None], plans)
        exchanged = self.emit.exchange(computed, plans)
        if not isinstance(norm.rule, Mixing):
            return exchanged
        stacked = self.emit.stacked(exchanged)
        return Stacked(self.emit.module(f"{name}_rule", norm.rule, stacked.node), stacked.streams)

    def _ensemble(self, ensemble: Ensemble, value: Any) -> fx.Node:
        """Sum the streams up before a shared linear head, which then runs once."""
        alpha = ensemble.alpha.detach()
        if not isinstance(value, _Waiting) or isinstance(value.conv, StreamConv2d):
            return self.emit.weighted_sum(self._settled(value), alpha)
        summed = self.emit.weighted_sum(value.value, alpha)
        return self.emit.module(value.name, folded_conv(value.conv, None, None, None), summed)

    def _function(self, node: fx.Node) -> Any:
        """Rewrite the call of a function that leaves channels where they are."""
        if node.target is Decisions:  # of which only the ensemble is served
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
            columns = zip(*(t.nodes for t in tensors), strict=True)
            nodes = tuple(self.emit.function(node.target, *column, *rest, **kwargs) for column in columns)
            return Parallel(nodes, tensors[0].positions)
        stacked = [self.emit.stacked(t) for t in tensors]
        fused = self.emit.function(node.target, *(t.node for t in stacked), *rest, **kwargs)
        return Stacked(fused, stacked[0].streams)

    def _concatenation(self, node: fx.Node) -> Stacked:
        """Concatenate channels, in the live order."""
        parts, axis = node.args
        if axis != 1:
            raise FreezeError(f"a concatenation along axis {axis!r} cannot be frozen; only along the channels, 1")
        stacked = [self.emit.stacked(self._settled(self.values[part])) for part in parts]  # type: ignore[union-attr, index]
        return Stacked(self.emit.concatenate([part.node for part in stacked], 1), stacked[0].streams)
