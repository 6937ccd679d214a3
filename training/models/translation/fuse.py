"""Baselines of image translation: modules between the levels of the encoder in place of an exchange.

Source: the CEN journal paper, section 4: early, middle and late are behind the first, the middle and the last
convolution of the encoder (1, 4 and 8 of the U-Net-256), "all" is behind all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from crosswire.training.models.fusion.aggregate import Average
from crosswire.training.models.fusion.align import AlignStreams
from crosswire.training.models.fusion.stages import AGGREGATIONS, MergeLevels
from crosswire.training.models.single import single_stream
from crosswire.training.models.streams import unshare
from crosswire.training.models.translation.flows import TaskMix
from crosswire.training.models.translation.unet import Down
from crosswire.training.tasks.translation.config import TranslatorConfig

if TYPE_CHECKING:
    from crosswire.training.tasks.translation.network import TranslationNetwork


def places(where: str, levels: int) -> tuple[int, ...]:
    """Return the levels, counted from 0, behind which streams are fused."""
    middle = max(levels // 2 - 1, 0)
    return {"early": (0,), "middle": (middle,), "late": (levels - 1,), "all": tuple(range(levels))}[where]


def fuse_levels(network: TranslationNetwork, config: TranslatorConfig) -> None:
    """Put the fusion that a configuration names into a generator of one task, in place."""
    chosen = places(config.where, config.levels)
    if config.merges:
        network.merge = _merge_levels(network, config, chosen)
        network.decoder = single_stream(network.decoder, 0)
        network.mix = TaskMix(1, 1)
        return
    if config.setting == "common":
        unshare(network, config.streams)
    for level in chosen:
        _stage(network, level).fuse = _module(config, network.encoder.out_channels[level], merges=False)


def _merge_levels(network: TranslationNetwork, config: TranslatorConfig, chosen: tuple[int, ...]) -> MergeLevels:
    """Give every stream an encoder of its own up to the last fusion, and make them one stream there."""
    encoder, last = network.encoder, chosen[-1]
    unshare(encoder, config.streams)
    for level in range(last + 1, config.levels):
        encoder.stages[level] = single_stream(encoder.stages[level], 0)
    _stage(network, last).fuse = _module(config, encoder.out_channels[last], merges=True)
    merges = [
        _module(config, channels, merges=True) if level in chosen else Average(channels, config.streams, merges=True)
        for level, channels in enumerate(encoder.out_channels[:last])
    ]
    return MergeLevels([*merges, *(nn.Identity() for _ in range(last, config.levels))])


def _stage(network: TranslationNetwork, level: int) -> Down:
    """Return a level of the encoder."""
    stage = network.encoder.stages[level]
    assert isinstance(stage, Down)
    return stage


def _module(config: TranslatorConfig, channels: int, *, merges: bool) -> nn.Module:
    """Return one fusion module."""
    if config.fusion == "align":
        return AlignStreams(channels, config.streams)
    return AGGREGATIONS[config.fusion](channels, config.streams, merges=merges)
