"""Putting fusion modules between the stages of an encoder.

A fusion module becomes the last block of its stage, so what it makes reaches both the next stage and the decoder.
Source: the CEN supplement, section 2 (early, middle and late: after the second, third and fourth stage of the
ResNet), and the CEN journal paper, Table 2 with its two settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from crosswire.training.models.exchange import Mixing, Substitution
from crosswire.training.models.fusion.aggregate import Average, Concatenation, SelfAttention
from crosswire.training.models.fusion.align import AlignStreams
from crosswire.training.models.fusion.gather import StreamFusion
from crosswire.training.models.single import single_stream
from crosswire.training.models.streams import unshare
from crosswire.training.tasks.segmentation.config import NetworkConfig

#: Stages of the encoder, counted from 0, behind which streams are fused.
STAGES = {"early": (1,), "middle": (2,), "late": (3,), "all": (0, 1, 2, 3)}
AGGREGATIONS: dict[str, Callable[..., StreamFusion]] = {
    "concat": Concatenation,
    "average": Average,
    "attention": SelfAttention,
}


class MergeLevels(nn.Module):
    """Brings the levels that still hold several streams down to one stream, for a decoder of one stream.

    Args:
        merges: per level what merges its streams; an `nn.Identity` for a level of one stream.
    """

    def __init__(self, merges: Sequence[nn.Module]) -> None:
        super().__init__()
        self.merges = nn.ModuleList(merges)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map levels [M*N or N, C, H, W] to levels [N, C, H, W]."""
        return tuple(merge(level) for merge, level in zip(self.merges, levels, strict=True))


def fuse_stages(encoder: Any, config: NetworkConfig) -> None:
    """Fuse the streams of an encoder where the configuration says so; all of them go on.

    Args:
        encoder: with `stages`, one `nn.Sequential` of blocks each, and their `out_channels`; it is changed.
        config: of the network, with `fusion` one of `STAGE_FUSIONS`.
    """
    streams = len(config.streams)
    for stage in STAGES[config.where]:
        if config.fusion == "align":
            module: nn.Module = AlignStreams(encoder.out_channels[stage], streams)
        else:
            module = AGGREGATIONS[config.fusion](encoder.out_channels[stage], streams, merges=False)
        encoder.stages[stage].append(module)


def merge_streams(encoder: Any, config: NetworkConfig) -> MergeLevels:
    """Give every stream an encoder of its own up to the last fusion, and make them one stream there.

    Args:
        encoder: as in `fuse_stages`, with shared convolutions and private norms.
        config: of the network, with `fusion` one of `AGGREGATIONS`.

    Returns:
        what the decoder's levels go through: those before the last fusion still hold all streams. They are fused where
        the configuration says so, and averaged elsewhere, which takes no parameters.
    """
    streams, chosen = len(config.streams), STAGES[config.where]
    unshare(encoder, streams)
    last = chosen[-1]
    for blocks in encoder.stages[last + 1 :]:
        for index, block in enumerate(blocks):
            blocks[index] = single_stream(block, 0)
    aggregate = AGGREGATIONS[config.fusion]
    encoder.stages[last].append(aggregate(encoder.out_channels[last], streams, merges=True))
    merges: list[nn.Module] = [
        (aggregate if stage in chosen else Average)(encoder.out_channels[stage], streams, merges=True)
        for stage in range(last)
    ]
    return MergeLevels([*merges, *(nn.Identity() for _ in encoder.stages[last:])])


def added_keys(encoder: nn.Module) -> set[str]:
    """Return the keys of an encoder's state that a fusion adds to those of a plain encoder."""
    fusion = (StreamFusion, AlignStreams, Substitution, Mixing)
    parts = {name: module for name, module in encoder.named_modules() if isinstance(module, fusion)}
    return {f"{name}.{key}" for name, module in parts.items() for key in module.state_dict()}
