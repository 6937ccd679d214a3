"""Runs on clips: the procedural events, and the experiments of the GMF paper (appendix G).

`events-gmf` is the network that `model_repository/events_gmf` serves. The others need the data set (`data.path=DIR`);
`network.video.weights=FILE` and `network.audio.weights=FILE` begin from torchvision's weights.
"""

from __future__ import annotations

import dataclasses

from crosswire.training.tasks.audio_video.config import (
    FUSION_NAMES,
    AudioVideoConfig,
    ClipDataConfig,
    ClipShape,
    ExtractorConfig,
    FusionConfig,
    NetworkConfig,
    OptimiserConfig,
    SpectrogramConfig,
)

_R2PLUS1D = ExtractorConfig("r2plus1d18")
_SGD = OptimiserConfig()
_ADAM = OptimiserConfig(
    name="adam", lr=0.005, momentum=0.5, beta2=0.9, weight_decay=0.0, factor=0.5, patience=50, min_lr=1e-8
)


def _run(
    preset: str, network: NetworkConfig, clips: int, batch: int, epochs: int, sgd: OptimiserConfig
) -> AudioVideoConfig:
    """Return one experiment of the paper, with a validation after every epoch."""
    every = clips // batch
    data = ClipDataConfig(name=preset.split("-")[0], batch=batch)
    return AudioVideoConfig(
        preset=preset, network=network, data=data, optimiser=sgd, steps=epochs * every, val_every=every
    )


def _alone(config: AudioVideoConfig, modality: str) -> AudioVideoConfig:
    """Return the experiment with one modality alone."""
    network = dataclasses.replace(config.network, modalities=(modality,), fusion=FusionConfig("concat"))
    return dataclasses.replace(
        config, preset=f"{config.preset.split('-')[0]}-{modality}", network=network, modality_dropout=0.0
    )


#: Clips of VGGSound's training split, of which a fifth was lost.
_VGGSOUND_CLIPS = 183_730 * 4 // 5
_VGGSOUND = NetworkConfig(
    classes=309,
    # Nine seconds at 5 frames a second; Table 6 has 15 frames of 128x96, which contradicts the text.
    clip=ClipShape(45, 192, 256, 5.0, 144_000, 16_000),
    spectrogram=SpectrogramConfig(n_fft=400, hop=160, mels=192, drop_last=True),
)
#: 70 % of the clips of FakeAVCeleb's four folders.
_FAKEAVCELEB_CLIPS = sum(int(0.7 * clips) for clips in (500, 9_709, 500, 10_835))
_FAKEAVCELEB = NetworkConfig(
    classes=2,
    # The sound of 8 frames at 25 a second; the sample rate that fits the 60 windows of Table 6.
    clip=ClipShape(8, 224, 224, 0.0, 15_360, 48_000),
    audio=_R2PLUS1D,
    spectrogram=SpectrogramConfig(1024, 256, "blackman", mels=0, value="log-magnitude", drop_last=True),
)
_EVENTS = NetworkConfig(
    classes=8,
    video=ExtractorConfig("r2plus1d18", width=8),
    audio=ExtractorConfig("resnet18", width=6),
    spectrogram=SpectrogramConfig(mels=64, value="log-power", mean=-2.0, std=3.0),
)


def _fused(network: NetworkConfig, name: str) -> NetworkConfig:
    """Return a network with another fusion."""
    return dataclasses.replace(network, fusion=FusionConfig(name))


def _vggsound(name: str) -> AudioVideoConfig:
    """Return a row of Table 2, extractors trained."""
    return _run(f"vggsound-{name}", _fused(_VGGSOUND, name), _VGGSOUND_CLIPS, 64, 20, _SGD)


def _fakeavceleb(name: str) -> AudioVideoConfig:
    """Return a row of Table 4: GMF by Table 5, the others by Table 6."""
    gmf = name.startswith("g")
    batch, epochs, optimiser = (64, 20, _SGD) if gmf else (16, 5, _ADAM)
    return _run(f"fakeavceleb-{name}", _fused(_FAKEAVCELEB, name), _FAKEAVCELEB_CLIPS, batch, epochs, optimiser)


def _events(name: str) -> AudioVideoConfig:
    """Return a run on the procedural clips, of some minutes on one core."""
    fusion = FusionConfig(name)
    if name not in ("concat", "gmf", "g-concat"):
        fusion = FusionConfig(name, depth=2, latents=16 if "perceiver" in name else None)
    return AudioVideoConfig(
        preset=f"events-{name}",
        network=dataclasses.replace(_EVENTS, fusion=fusion),
        data=ClipDataConfig(train_clips=3072, val_clips=256, test_clips=512, batch=32),
        optimiser=OptimiserConfig(lr=0.05, schedule="cosine", warmup=0.05, clip=5.0),
        steps=600,
        val_every=100,
        modality_dropout=0.3,
    )


AUDIO_VIDEO = (
    *(_events(name) for name in FUSION_NAMES),
    *(_alone(_events("concat"), modality) for modality in ("audio", "video")),
    *(_vggsound(name) for name in FUSION_NAMES),
    *(_alone(_vggsound("concat"), modality) for modality in ("audio", "video")),
    *(_fakeavceleb(name) for name in FUSION_NAMES),
    *(_alone(_fakeavceleb("concat"), modality) for modality in ("audio", "video")),
)
