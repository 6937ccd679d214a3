"""The network: an extractor per modality, a fusion of their features, a linear classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.importers.torchvision import load_weights
from crosswire.training.models.extractors import Extractor, build_extractor
from crosswire.training.models.vector_fusion import Fusion, build_fusion
from crosswire.training.tasks.audio_video.config import ExtractorConfig, NetworkConfig
from crosswire.training.tasks.audio_video.spectrogram import Spectrogram

NETWORKS = ("audio-video",)


class Decision(NamedTuple):
    """What the network answers.

    Attributes:
        logits: float [N, classes].
        loss: what the fusion adds to the loss of the task, a scalar, or None.
    """

    logits: Tensor
    loss: Tensor | None


class FrameExtractor(nn.Module):
    """The branch of the frames.

    Args:
        extractor: maps clips [N, 3, T, H, W] to features.
        shape: T, H and W.
    """

    def __init__(self, extractor: Extractor, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.extractor = extractor
        self.shape = (*shape, 3)
        self.out_features = extractor.out_features

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames [N, T, H, W, 3], 0..255, to features [N, F]; the paper feeds them as they are, here 0..1."""
        features: Tensor = self.extractor((frames.to(self._dtype()) / 255).permute(0, 4, 1, 2, 3))
        return features

    def _dtype(self) -> torch.dtype:
        """Return the element type of the weights."""
        return next(self.extractor.parameters()).dtype


class SoundExtractor(nn.Module):
    """The branch of the waveform.

    Args:
        extractor: maps spectrograms [N, 1, segments, bands, windows] to features.
        spectrogram: maps sound to them.
        samples: S.
    """

    def __init__(self, extractor: Extractor, spectrogram: Spectrogram, samples: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.spectrogram = spectrogram
        self.shape = (samples,)
        self.out_features = extractor.out_features

    def forward(self, waveform: Tensor) -> Tensor:
        """Map sound [N, S], -1..1, to features [N, F]."""
        features: Tensor = self.extractor(self.spectrogram(waveform))
        return features


class AudioVideoNetwork(nn.Module):
    """Classifies clips by what is seen and heard; what is missing comes as zeros: black frames, silence.

    Args:
        branches: by modality, in the order of the inputs.
        fusion: of their features.
        classes: channels of the logits.
        frozen: modalities whose extractors stay as they are, statistics included.
    """

    def __init__(
        self, branches: dict[str, FrameExtractor | SoundExtractor], fusion: Fusion, classes: int, frozen: Sequence[str]
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(branches)
        self.fusion = fusion
        self.head = nn.Linear(fusion.out_features, classes)
        self.frozen = tuple(frozen)
        for name in frozen:
            self.branches[name].requires_grad_(False)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(self.branches)

    def train(self, mode: bool = True) -> AudioVideoNetwork:
        """Set the mode; frozen extractors stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            self.branches[name].eval()
        return self

    def features(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Map one raw input per modality to its features: frames [N, T, H, W, 3] in 0..255, sound [N, S] in -1..1."""
        return [branch(x) for branch, x in zip(self.branches.values(), inputs, strict=True)]

    def decide(self, features: Sequence[Tensor]) -> Decision:
        """Fuse and classify features, one [N, F] per modality."""
        joint, loss = self.fusion(features)
        return Decision(self.head(joint), loss)

    def forward(self, *inputs: Tensor) -> Decision:
        """Classify raw inputs, one per modality."""
        return self.decide(self.features(inputs))


def build_network(config: NetworkConfig) -> AudioVideoNetwork:
    """Build a network with fresh weights; those that `weights` of an extractor names are loaded by `begin`."""
    clip = config.clip
    branches: dict[str, FrameExtractor | SoundExtractor] = {}
    for name in config.modalities:
        if name == "video":
            extractor = build_extractor(config.video.name, width=config.video.width)
            branches[name] = FrameExtractor(extractor, (clip.frames, clip.height, clip.width))
        else:
            extractor = build_extractor(config.audio.name, channels=1, width=config.audio.width)
            branches[name] = SoundExtractor(extractor, Spectrogram(config.spectrogram, clip.sample_rate), clip.samples)
    fusion = build_fusion(config.fusion, [branch.out_features for branch in branches.values()])
    frozen = [name for name in config.modalities if extractor_config(config, name).frozen]
    return AudioVideoNetwork(branches, fusion, config.classes, frozen)


def begin(network: AudioVideoNetwork, config: NetworkConfig) -> None:
    """Fill the extractors with the weight files that a configuration names.

    Raises:
        ConfigError: a file that cannot be read, or does not fit.
    """
    for name in config.modalities:
        path = extractor_config(config, name).weights
        if path:
            extractor = network.branches[name].extractor
            assert isinstance(extractor, Extractor)
            load_weights(extractor, Path(path))


def extractor_config(config: NetworkConfig, modality: str) -> ExtractorConfig:
    """Return the extractor of a modality."""
    return config.video if modality == "video" else config.audio


def sample(name: str, streams: int, classes: int) -> NetworkConfig:
    """Return the paper's network: both modalities, or the pictures alone for one stream.

    Raises:
        ConfigError: more than two streams.
    """
    if streams > 2:
        raise ConfigError(f"{name} has pictures and sound, which are 2 streams, not {streams}")
    config = NetworkConfig(name, classes)
    if streams == 2:
        return config
    fusion = dataclasses.replace(config.fusion, name="concat")
    return dataclasses.replace(config, modalities=("video",), fusion=fusion)


def shapes(network: NetworkConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every input for one clip with frames of a size (H, W)."""
    sized = dataclasses.replace(network, clip=dataclasses.replace(network.clip, height=size[0], width=size[1]))
    return [(1, *input_shape(sized, name)) for name in sized.modalities]


def input_shape(network: NetworkConfig, modality: str) -> tuple[int, ...]:
    """Return the shape of a raw input without its batch axis."""
    clip = network.clip
    return (clip.frames, clip.height, clip.width, 3) if modality == "video" else (clip.samples,)
