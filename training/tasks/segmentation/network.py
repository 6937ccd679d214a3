"""The registry of segmentation networks, and the one place that assembles them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from torch import nn

from crosswire.contract.errors import UsageError
from crosswire.training.config import ConfigError
from crosswire.training.modalities import modalities, modality
from crosswire.training.models.exchange import sparse_norms
from crosswire.training.models.fusion.assemble import fuse
from crosswire.training.models.fusion.rules import penalty, rule_maker
from crosswire.training.models.lite import LiteDecoder, LiteEncoder
from crosswire.training.models.mobile import WIDTH, MobileEncoder
from crosswire.training.models.onednn import keep_narrow_strides_plain
from crosswire.training.models.pspnet import PSPNetDecoder
from crosswire.training.models.refinenet import RefineNetDecoder
from crosswire.training.models.resnet import BLOCKS, Exchange, ResNet
from crosswire.training.models.segmentation import SegmentationNetwork
from crosswire.training.models.streams import Ensemble, StackStreams, unshare
from crosswire.training.tasks.segmentation.config import NetworkConfig

Parts: TypeAlias = tuple[nn.Module, nn.Module]


@dataclass(frozen=True)
class Sizes:
    """What `NetworkConfig` may leave to the network.

    Attributes:
        width: channels of the stem.
        features: channels of the decoder.
        dropout: probability in the decoder.
    """

    width: int
    features: int
    dropout: float


@dataclass(frozen=True)
class NetworkEntry:
    """One network of the registry.

    Attributes:
        parts: makes encoder and decoder from the configuration, the sizes, the input's channels and the norms' maker.
        sizes: its own.
    """

    parts: Callable[[NetworkConfig, Sizes, int, Exchange], Parts]
    sizes: Sizes


def _refinenet(backbone: str, config: NetworkConfig, sizes: Sizes, channels: int, exchange: Exchange) -> Parts:
    """Make a ResNet and the RefineNet decoder."""
    encoder = ResNet(backbone, channels, sizes.width, exchange)
    decoder = RefineNetDecoder(
        encoder.out_channels,
        config.classes,
        features=sizes.features,
        units=config.units,
        pooling=config.pooling,
        dropout=sizes.dropout,
    )
    return encoder, decoder


def _pspnet(backbone: str, config: NetworkConfig, sizes: Sizes, channels: int, exchange: Exchange) -> Parts:
    """Make a dilated ResNet and the PSPNet decoder."""
    encoder = ResNet(backbone, channels, sizes.width, exchange, dilated=True)
    decoder = PSPNetDecoder(encoder.out_channels, config.classes, features=sizes.features, dropout=sizes.dropout)
    return encoder, decoder


def _lite(blocks: tuple[int, ...], config: NetworkConfig, sizes: Sizes, channels: int, exchange: Exchange) -> Parts:
    """Make the encoder and decoder of the light family."""
    encoder = LiteEncoder(channels, sizes.width, blocks, exchange)
    return encoder, _lite_decoder(encoder.out_channels, config, sizes, exchange)


def _mobile(name: str, config: NetworkConfig, sizes: Sizes, channels: int, exchange: Exchange) -> Parts:
    """Make an encoder of the mobile family and the decoder of the light one."""
    encoder = MobileEncoder(name, channels, sizes.width, exchange)
    return encoder, _lite_decoder(encoder.out_channels, config, sizes, exchange)


def _lite_decoder(in_channels: Sequence[int], config: NetworkConfig, sizes: Sizes, exchange: Exchange) -> LiteDecoder:
    """Make the decoder of the light family, in which nothing is exchanged."""
    return LiteDecoder(
        in_channels,
        config.classes,
        features=sizes.features,
        dropout=sizes.dropout,
        exchange=dataclasses.replace(exchange, rule=None),
    )


#: Every network by its name. Those with depths 14 and 26 are shallow siblings for small images.
NETWORKS = {
    **{name.replace("res", "refine"): NetworkEntry(partial(_refinenet, name), Sizes(64, 256, 0.5)) for name in BLOCKS},
    **{name.replace("res", "psp"): NetworkEntry(partial(_pspnet, name), Sizes(64, 512, 0.1)) for name in BLOCKS},
    "cen-lite": NetworkEntry(partial(_lite, (2, 2, 2, 2)), Sizes(64, 96, 0.1)),
    "cen-lite-s": NetworkEntry(partial(_lite, (2, 2, 2, 1)), Sizes(24, 48, 0.1)),
    "cen-mobile": NetworkEntry(partial(_mobile, "efficientnet-lite0"), Sizes(WIDTH, 64, 0.1)),
    "cen-mobile-lite1": NetworkEntry(partial(_mobile, "efficientnet-lite1"), Sizes(WIDTH, 64, 0.1)),
    "cen-mobile-lite2": NetworkEntry(partial(_mobile, "efficientnet-lite2"), Sizes(WIDTH, 64, 0.1)),
    "cen-mobile-v2": NetworkEntry(partial(_mobile, "mobilenet-v2"), Sizes(WIDTH, 64, 0.1)),
}


def build_network(config: NetworkConfig) -> SegmentationNetwork:
    """Build a network with fresh weights.

    Raises:
        ConfigError: an unknown network or modality.
    """
    if config.name not in NETWORKS:
        raise ConfigError(f"network {config.name!r} is unknown; allowed are {', '.join(NETWORKS)}")
    try:
        channels = [modality(name).channels for name in config.streams]
    except UsageError as error:
        raise ConfigError(str(error)) from error
    entry = NETWORKS[config.name]
    sizes = _sizes(config, entry.sizes)
    stack = StackStreams(channels)
    exchange = Exchange(
        len(channels), rule_maker(config), penalty(config), config.points == "strided", config.share_norms
    )
    encoder, decoder = entry.parts(config, sizes, stack.out_channels, exchange)
    network = SegmentationNetwork(
        stack, encoder, decoder, Ensemble(len(channels)), frozen_statistics=config.frozen_statistics
    )
    for norm in sparse_norms(network).values():
        for gamma in norm.gammas:
            nn.init.uniform_(gamma, config.gamma_low, 1.0)
    if not config.share_convs:
        unshare(network, len(channels), norms=not config.share_norms)
    fuse(network, config)
    keep_narrow_strides_plain(network)
    return network


def _sizes(config: NetworkConfig, own: Sizes) -> Sizes:
    """Return the sizes that a configuration names, and the network's own for those that it leaves open."""
    named = {field.name: getattr(config, field.name) for field in dataclasses.fields(own)}
    return dataclasses.replace(own, **{name: value for name, value in named.items() if value is not None})


def sample(name: str, streams: int, classes: int) -> NetworkConfig:
    """Return a network with a number of streams, see `with_streams`."""
    return with_streams(NetworkConfig(name=name, classes=classes), streams)


def with_streams(config: NetworkConfig, streams: int) -> NetworkConfig:
    """Return a configuration with a number of streams: colour first, then depth, as often as it takes."""
    return dataclasses.replace(config, streams=("rgb", *["depth"] * (streams - 1)))


def shapes(config: NetworkConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every stream for one sample, [1, C, H, W]."""
    return [(1, modality.channels, *size) for modality in modalities(config)]
