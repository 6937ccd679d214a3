"""Layers of a frozen graph: a convolution with its norm, and the residual blocks that tasks select."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch.nn.functional as F
from torch import fx, nn

from crosswire.export.freeze.emit import Emitter, Parallel, Stacked
from crosswire.export.freeze.flows import PLAIN_NORMS
from crosswire.export.freeze.fold import Conv, Norm, folded_conv, own_norm
from crosswire.training.models.translation import InstanceNorm, TaskBlocks
from crosswire.training.models.translation.blocks import ResidualBlock
from crosswire.training.models.translation.unet import SLOPE


def folded_layer(
    emit: Emitter,
    name: str,
    conv: Conv,
    norm: Norm | None,
    position: Sequence[int] | None,
    filters: Sequence[int],
    x: fx.Node,
) -> fx.Node:
    """Run one convolution with its norm, folded into it unless it takes every image's own statistics.

    What is folded alike for several streams is held once.
    """
    own = isinstance(norm, InstanceNorm) and norm.own_statistics
    key = (conv, norm, None if position is None else tuple(position), tuple(filters))
    if key in emit.known:
        y = emit.graph.call_module(emit.known[key], (x,))
    else:
        y = emit.module(name, folded_conv(conv, None if own else norm, position, filters), x)
        emit.known[key] = str(y.target)
    if isinstance(norm, InstanceNorm) and own:
        return emit.module(f"{name}_norm", own_norm(norm, filters), y)
    return y


def selected_blocks(emit: Emitter, name: str, module: TaskBlocks, value: Stacked | Parallel) -> Parallel:
    """Run the blocks that tasks select, each once for all tasks that have come the same way, and no other."""
    flows = emit.aligned(emit.parallel(value)).nodes
    for index, (block, chosen) in enumerate(zip(module.blocks, module.selected.T.tolist(), strict=True)):
        assert isinstance(block, ResidualBlock)
        taken = dict.fromkeys(x for x, selects in zip(flows, chosen, strict=True) if selects)
        made = {x: _block(emit, f"{name}_{index}", block, x) for x in taken}
        flows = tuple(made[x] if selects else x for x, selects in zip(flows, chosen, strict=True))
    return Parallel(flows, (None,) * len(flows))


def _block(emit: Emitter, name: str, block: ResidualBlock, x: fx.Node) -> fx.Node:
    """Run one residual block, its norms folded into its convolutions."""
    y = x
    for place, (conv, norm) in enumerate(zip(block.convs, block.norms, strict=True)):
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, PLAIN_NORMS)
        y = emit.function(F.leaky_relu, y, SLOPE)
        y = folded_layer(emit, f"{name}_{place}", conv, norm, None, range(conv.out_channels), y)
    return emit.function(operator.add, x, y)
