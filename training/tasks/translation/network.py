"""A generator: flows through an encoder, a mix of features or of images, a decoder."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.models.exchange import sparse_norms
from crosswire.training.models.fusion.align import take_auxiliary
from crosswire.training.models.fusion.rules import penalty, rule_maker
from crosswire.training.models.translation.blocks import TaskBlocks
from crosswire.training.models.translation.flows import StackFlows, TaskMix
from crosswire.training.models.translation.fuse import fuse_levels
from crosswire.training.models.translation.norms import InstanceNorm, Norms, OwnedNorms
from crosswire.training.models.translation.sharing import NormMaker
from crosswire.training.models.translation.unet import UNetDecoder, UNetEncoder, initialise, widths
from crosswire.training.tasks.options import STAGE_FUSIONS
from crosswire.training.tasks.translation.config import NETWORKS as NETWORKS
from crosswire.training.tasks.translation.config import USUAL_INPUTS, TranslatorConfig, check_size
from crosswire.training.tasks.translation.domains import domain


class ImageMix(NamedTuple):
    """What a generator makes, each from -1 to 1.

    Labels are K scores, one per class; where K is more than three, all images have K channels of which three count.

    Attributes:
        answers: one image per task, stacked task by task [T*N, 3 or K, H, W].
        flows: the images of all flows [F*N, 3 or K, H, W] where α weighs images; else the answers.
        auxiliary: loss that the network adds while it trains, a scalar (only with `fusion="align"`), or None.
    """

    answers: Tensor
    flows: Tensor
    auxiliary: Tensor | None = None


class TranslationNetwork(nn.Module):
    """Maps images of the input domains to images of the output domains.

    Args:
        stack: brings the inputs of all flows together.
        encoder: maps stacked flows to levels.
        mix: weighs the flows of a task.
        decoder: maps levels to stacked images.
        mixes_features: whether levels are mixed, rather than images.

    Attributes:
        merge: brings all levels down to one stream before the decoder, where the streams merge in the encoder.
        unused: norms that are held and never called, to count as the official code does.
    """

    merge: nn.Module | None

    def __init__(
        self, stack: StackFlows, encoder: UNetEncoder, mix: TaskMix, decoder: UNetDecoder, *, mixes_features: bool
    ) -> None:
        super().__init__()
        self.stack = stack
        self.encoder = encoder
        self.mix = mix
        self.decoder = decoder
        self.merge = None
        self.mixes_features = mixes_features
        self.unused = nn.ModuleList()

    def forward(self, *inputs: Tensor) -> ImageMix:
        """Map one normalised image [N, c, H, W] per input domain to images of all tasks."""
        levels = self.encoder(self.stack(*inputs))
        if self.merge is not None:
            levels = self.merge(levels)
        if self.mixes_features:
            levels = [self.mix(level) for level in levels]
        flows = self.decoder(levels)
        answers = flows if self.mixes_features else self.mix(flows)
        return ImageMix(answers, flows, take_auxiliary(self) if self.training else None)


def build_network(config: TranslatorConfig) -> TranslationNetwork:
    """Build a generator with fresh weights.

    Raises:
        ConfigError: a network that the configuration contradicts.
    """
    tasks, streams, flows = len(config.outputs), config.streams, config.flows
    channels = widths(config.width, config.levels)
    coders = config.encoders or (0,) * tasks
    owners = [coders[task] for task, _ in flows] if config.share_convs else list(range(len(flows)))
    encoder_norms = _encoder_norms(config)
    normed = range(len(channels)) if config.normed == "all" else range(1, len(channels) - 1)
    encoder = UNetEncoder(StackFlows.out_channels, channels, owners, encoder_norms, normed)
    if config.blocks:
        for level in normed:
            stage: Any = encoder.stages[level]
            stage.blocks = TaskBlocks(tasks, channels[level], config.blocks, encoder_norms)
    decoded = list(config.decoders or (0,) * tasks)
    if not config.mixes_features:
        decoded = [decoded[task] for task, _ in flows]
    decoder_norms = _decoder_norms(config, decoded)
    decoder = UNetDecoder(channels, config.made_channels, decoded, decoder_norms, config.dropout)
    network = TranslationNetwork(
        StackFlows([domain(name).channels for name in config.inputs], [source for _, source in flows]),
        encoder,
        TaskMix(tasks, streams),
        decoder,
        mixes_features=config.mixes_features,
    )
    if config.unused_norms:
        plain = encoder_norms
        if isinstance(plain, Norms):
            plain = dataclasses.replace(plain, rule=None, penalise="none")
        idle = [channels[level] for level in range(len(channels)) if level not in normed]
        network.unused.extend([*map(plain, idle), decoder_norms(config.made_channels)])
    network.apply(initialise)
    for norm in sparse_norms(network).values():
        for gamma in norm.gammas:
            nn.init.uniform_(gamma, config.gamma_low, 1.0)
    if config.fusion in STAGE_FUSIONS and streams > 1:
        fuse_levels(network, config)
    return network


def _norm(config: TranslatorConfig) -> NormMaker:
    """Return what makes one norm."""
    if config.norm == "batch":
        return nn.BatchNorm2d
    return partial(InstanceNorm, own_statistics=config.statistics == "instance")


def _encoder_norms(config: TranslatorConfig) -> Norms | OwnedNorms:
    """Return what makes the norms of the encoder: one per flow, which exchange or share within a task.

    Tasks that select blocks share one.
    """
    if config.blocks:
        return OwnedNorms((0,) * len(config.flows), _norm(config))
    groups = (config.streams,) * len(config.outputs)
    norms = Norms(groups, _norm(config))
    if config.streams == 1:
        return norms
    if config.norm_sharing != "private":
        return dataclasses.replace(norms, sharing=config.norm_sharing)
    if config.place == "decoder":
        return norms
    rule = rule_maker(config) if config.exchanges_encoder else None
    return dataclasses.replace(norms, rule=rule, penalise=penalty(config))


def _decoder_norms(config: TranslatorConfig, owners: list[int]) -> Norms | OwnedNorms:
    """Return what makes the norms of the decoder, which exchange among the tasks."""
    private = Norms((len(owners),), _norm(config))
    if config.mixes_features and len(owners) > 1 and config.place != "encoder":
        rule = rule_maker(config) if config.exchanges_decoder else None
        private = dataclasses.replace(private, rule=rule, penalise=penalty(config))
    alone = len(set(owners)) == len(owners)  # shared norms of decoders of one flow each are private ones
    return private if config.decoder_norms == "private" or alone else OwnedNorms(tuple(owners), _norm(config))


def sample(name: str, streams: int, classes: int) -> TranslatorConfig:
    """Return a translation to RGB from a number of other domains.

    Raises:
        ConfigError: more than four inputs.
    """
    if streams > len(USUAL_INPUTS):
        raise ConfigError(f"--streams is {streams}; a generator takes 1 to {len(USUAL_INPUTS)}")
    return TranslatorConfig(name=name, inputs=USUAL_INPUTS[:streams])


def shapes(network: TranslatorConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every input, [1, C, H, W].

    Raises:
        ConfigError: a size that the generator cannot halve as often as it does.
    """
    check_size(network, size)
    return [(1, domain(name).channels, *size) for name in network.inputs]
