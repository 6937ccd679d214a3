"""What the pass needs to know about flows: who owns which layer, and how wide a live tensor is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import fx, nn

from crosswire.export.freeze.fold import Conv, Norm, is_depthwise
from crosswire.export.freeze.groups import StreamPlan, plan_streams
from crosswire.training.models import PrivateNorm2d, StreamConv2d
from crosswire.training.models.fusion.substitute import Discard
from crosswire.training.models.translation import InstanceNorm, PartlySharedNorm2d, Runs, StackFlows

#: Norms that several flows may share.
PLAIN_NORMS = (nn.BatchNorm2d, InstanceNorm)
#: Channels that the 8-bit kernels of a depth-wise convolution take at once.
VECTOR = 16
CONVS = (nn.Conv2d, nn.ConvTranspose2d)


def is_conv(module: nn.Module | None) -> bool:
    """Say whether a module convolves: all flows alike, each on its own, or run by run."""
    if isinstance(module, Runs):
        return isinstance(module.parts[0], CONVS)
    return isinstance(module, (*CONVS, StreamConv2d))


def is_norm(module: nn.Module | None) -> bool:
    """Say whether a module normalises flows."""
    if isinstance(module, Runs):
        return not isinstance(module.parts[0], CONVS)
    return isinstance(module, (*PLAIN_NORMS, PrivateNorm2d, PartlySharedNorm2d))


def conv_of(module: nn.Module, flow: int) -> Conv:
    """Return the convolution of one flow, which may be everybody's."""
    if isinstance(module, StreamConv2d):
        module = module.convs[flow]
    elif isinstance(module, Runs):
        module = module.parts[module.owners[flow]]
    assert isinstance(module, CONVS)
    return module


def groups_of(module: nn.Module, flows: int) -> list[tuple[PrivateNorm2d | None, list[Norm]]]:
    """Return the groups of flows that may exchange behind a norm, each with the norm of every flow."""
    if isinstance(module, Runs):
        pairs = zip(module.parts, module.lengths, strict=True)
        return [group for part, length in pairs for group in groups_of(part, length)]
    if isinstance(module, PrivateNorm2d):
        return [(module, [cast(Norm, norm) for norm in module.norms])]
    if isinstance(module, PartlySharedNorm2d):
        return [(None, [cast(Norm, norm) for norm in module.stream_norms()])]
    return [(None, [cast(Norm, module)] * flows)]


def plans_of(group: PrivateNorm2d | None, norms: Sequence[Norm]) -> list[StreamPlan]:
    """Return the layout of every flow of a group behind its exchange."""
    if group is None:
        return plan_streams([torch.zeros(norms[0].num_features, dtype=torch.bool)]) * len(norms)
    masks = group.masks()
    return [plan_streams([mask])[0] for mask in masks] if isinstance(group.rule, Discard) else plan_streams(masks)


def depthwise_plans(group: PrivateNorm2d | None, norms: Sequence[Norm]) -> list[StreamPlan]:
    """Return the layout of every flow behind a depth-wise convolution, which computes whole vectors of channels."""
    plans = plans_of(group, norms)
    return plans if group is None or isinstance(group.rule, Discard) else [plan.padded(VECTOR) for plan in plans]


def depthwise_reads(norm: fx.Node, modules: Mapping[str, nn.Module]) -> list[Sequence[int]]:
    """Return per stream which channels of a norm are read, where a depth-wise convolution alone reads them.

    That convolution computes no filter that the exchange behind it replaces, and each filter reads one channel.

    Returns:
        channels of every stream in the order of the filters; empty where something else reads the norm, or where a
        stream would compute nothing at all.
    """
    node = norm
    while len(node.users) == 1:
        node = next(iter(node.users))
        if node.target not in (F.relu, F.relu6):
            break
    conv, users = modules.get(str(node.target)), list(node.users)
    behind = modules.get(str(users[0].target)) if len(users) == 1 else None
    if not is_conv(conv) or not isinstance(behind, PrivateNorm2d):
        return []
    assert conv is not None
    if not all(is_depthwise(conv_of(conv, stream)) for stream in range(behind.streams)):
        return []
    ((group, norms),) = groups_of(behind, behind.streams)
    reads: list[Sequence[int]] = [plan.computed for plan in depthwise_plans(group, norms)]
    return reads if all(reads) else []


def width(node: Any, modules: Mapping[str, nn.Module]) -> int:
    """Return the channels of a value of the live graph."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        if isinstance(module, StackFlows):
            return module.out_channels
        if is_conv(module):
            return int(conv_of(module, 0).out_channels)
    parts = node.args[0]
    if node.target is torch.cat:
        return sum(width(part, modules) for part in parts)
    assert isinstance(parts, fx.Node), f"{node.target} of unknown width"
    return width(parts, modules)
