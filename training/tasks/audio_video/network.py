"""The networks: an extractor per modality, a fusion of their features or their reconstruction, a linear classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from torch import Tensor, nn

from crosswire.training.config import ConfigError
from crosswire.training.importers.torchvision import load_weights
from crosswire.training.models.autoencoders import CrossReconstruction, Latent, VisionTransformer
from crosswire.training.models.extractors import Extractor, build_extractor
from crosswire.training.models.vector_fusion import Fusion, build_fusion
from crosswire.training.tasks.audio_video.config import AUTOENCODERS, NETWORK_NAMES, ExtractorConfig, NetworkConfig
from crosswire.training.tasks.audio_video.presets import published_autoencoders
from crosswire.training.tasks.audio_video.spectrogram import Spectrogram

NETWORKS = NETWORK_NAMES


class Decision(NamedTuple):
    """What the network answers.

    Attributes:
        logits: float [N, classes].
        loss: what the fusion or the reconstruction adds to the loss of the task, a scalar, or None.
    """

    logits: Tensor
    loss: Tensor | None


class FrameExtractor(nn.Module):
    """The branch of the frames.

    Args:
        extractor: maps clips [N, 3, T, H, W] to features.
        shape: T, H and W.
    """

    def __init__(self, extractor: Extractor | VisionTransformer, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.extractor = extractor
        self.shape = (*shape, 3)
        self.out_features = extractor.out_features

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames [N, T, H, W, 3], 0..255, to features [N, F]."""
        features: Tensor = self.extractor(self.prepared(frames))
        return features

    def prepared(self, frames: Tensor) -> Tensor:
        """Return what the extractor sees, [N, 3, T, H, W]; the paper feeds frames as they are, here they are 0..1."""
        return (frames.to(next(self.extractor.parameters()).dtype) / 255).permute(0, 4, 1, 2, 3)


class SoundExtractor(nn.Module):
    """The branch of the waveform.

    Args:
        extractor: maps spectrograms [N, 1, segments, bands, windows] to features.
        spectrogram: maps sound to them.
        samples: S.
    """

    def __init__(self, extractor: Extractor | VisionTransformer, spectrogram: Spectrogram, samples: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.spectrogram = spectrogram
        self.shape = (samples,)
        self.out_features = extractor.out_features

    def forward(self, waveform: Tensor) -> Tensor:
        """Map sound [N, S], -1..1, to features [N, F]."""
        features: Tensor = self.extractor(self.prepared(waveform))
        return features

    def prepared(self, waveform: Tensor) -> Tensor:
        """Return what the extractor sees, [N, 1, segments, bands, windows]."""
        seen: Tensor = self.spectrogram(waveform)
        return seen


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


class AutoencodingNetwork(AudioVideoNetwork):
    """Classifies the latents of auto-encoders, GMF-MAE or GMF-AE; while training it rebuilds its inputs from them.

    Source: the GMF paper, appendix I and Figure 14. Choices of ours: one pass gives both losses, so that the classifier
    of GMF-MAE is trained on what the masks leave, and it is linear on the mean tokens of both latents.

    Args:
        branches: by modality, each with a `VisionTransformer`.
        fusion: of the latents; it adds no loss.
        classes: channels of the logits.
    """

    def __init__(self, branches: dict[str, FrameExtractor | SoundExtractor], fusion: Fusion, classes: int) -> None:
        super().__init__(branches, fusion, classes, ())
        self.reconstruction = CrossReconstruction(self.encoders)

    @property
    def encoders(self) -> list[VisionTransformer]:
        """Encoders of the modalities, in order."""
        return [cast(VisionTransformer, branch.extractor) for branch in self.branches.values()]

    def latents(self, inputs: Sequence[Tensor]) -> list[Latent]:
        """Map one raw input per modality to its latent; while training, of the patches that are not masked."""
        branches = (cast("FrameExtractor | SoundExtractor", branch) for branch in self.branches.values())
        seen = [branch.prepared(x) for branch, x in zip(branches, inputs, strict=True)]
        return [encoder.encode(x) for encoder, x in zip(self.encoders, seen, strict=True)]

    def forward(self, *inputs: Tensor) -> Decision:
        """Classify raw inputs, one per modality; while training with the loss of their reconstruction."""
        if not self.training:
            return super().forward(*inputs)
        latents = self.latents(inputs)
        return Decision(self.decide([one.pooled() for one in latents]).logits, self.reconstruction(latents))


def build_network(config: NetworkConfig) -> AudioVideoNetwork:
    """Build a network with fresh weights; those that `weights` of an extractor names are loaded by `begin`."""
    clip = config.clip
    branches: dict[str, FrameExtractor | SoundExtractor] = {}
    for name in config.modalities:
        extractor = _extractor(config, name)
        if name == "video":
            branches[name] = FrameExtractor(extractor, (clip.frames, clip.height, clip.width))
        else:
            branches[name] = SoundExtractor(extractor, Spectrogram(config.spectrogram, clip.sample_rate), clip.samples)
    fusion = build_fusion(config.fusion, [branch.out_features for branch in branches.values()])
    if config.name in AUTOENCODERS:
        return AutoencodingNetwork(branches, fusion, config.classes)
    frozen = [name for name in config.modalities if extractor_config(config, name).frozen]
    return AudioVideoNetwork(branches, fusion, config.classes, frozen)


def _extractor(config: NetworkConfig, modality: str) -> Extractor | VisionTransformer:
    """Build the extractor of a modality with fresh weights."""
    channels, own = (3 if modality == "video" else 1), extractor_config(config, modality)
    if own.vit is not None:
        return VisionTransformer(channels, config.size(modality), own.width, own.vit)
    return build_extractor(own.name, channels=channels, width=own.width)


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
        ConfigError: more than two streams, or one of an auto-encoder.
    """
    if streams > 2:
        raise ConfigError(f"{name} has pictures and sound, which are 2 streams, not {streams}")
    if name in AUTOENCODERS:
        if streams != 2:
            raise ConfigError(f"{name} rebuilds pictures and sound with each other; got --streams {streams}, try 2")
        return dataclasses.replace(published_autoencoders(name), classes=classes)
    config = NetworkConfig(name, classes)
    if streams == 2:
        return config
    fusion = dataclasses.replace(config.fusion, name="concat")
    return dataclasses.replace(config, modalities=("video",), fusion=fusion)


def shapes(network: NetworkConfig, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shape of every input for one clip with frames of a size (H, W).

    Raises:
        ConfigError: an auto-encoder, whose tokens have places, is of another size.
    """
    clip = network.clip
    if network.name in AUTOENCODERS and size != (clip.height, clip.width):
        own, other = f"{clip.height}x{clip.width}", f"--set clip.height={size[0]} --set clip.width={size[1]}"
        raise ConfigError(f"{network.name} is made for frames of {own}, got {size[0]}x{size[1]}; try {other}")
    sized = dataclasses.replace(network, clip=dataclasses.replace(network.clip, height=size[0], width=size[1]))
    return [(1, *input_shape(sized, name)) for name in sized.modalities]


def input_shape(network: NetworkConfig, modality: str) -> tuple[int, ...]:
    """Return the shape of a raw input without its batch axis."""
    clip = network.clip
    return (clip.frames, clip.height, clip.width, 3) if modality == "video" else (clip.samples,)
