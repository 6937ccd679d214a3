"""Runs on clips: the procedural events, and the experiments of the GMF paper (appendix G).

`events-gmf` is the network that `model_repository/events_gmf` serves. The others need the data set (`data.path=DIR`);
`network.video.weights=FILE` and `network.audio.weights=FILE` begin from torchvision's weights. `*-gmf-mae` and
`*-gmf-ae` have auto-encoders as extractors, which begin from random ones.
"""

from __future__ import annotations

import dataclasses

from crosswire.training.tasks.audio_video.config import (
    AUTOENCODERS,
    FUSION_NAMES,
    GMF_MAE,
    VIT,
    AudioVideoConfig,
    ClipDataConfig,
    ClipShape,
    ExtractorConfig,
    FusionConfig,
    NetworkConfig,
    OptimiserConfig,
    SpectrogramConfig,
)
from crosswire.training.tasks.audio_video.vit_config import VitConfig

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


#: The paper gives no sizes: ViT-B twice. 16x16 does not divide 513x60; Audio-MAE masks four fifths.
_VIT_B = (VitConfig(), VitConfig(patch=(1, 19, 12), mask=0.8))
#: Half of the patches masked, for a quarter of a small clip leaves too little to decide by.
_SMALL = VitConfig((2, 12, 16), depth=4, heads=4, mask=0.5, decoder_depth=1, decoder_width=32, decoder_heads=4)
_VIT_SMALL = (_SMALL, dataclasses.replace(_SMALL, patch=(1, 16, 10)))


def _autoencoding(network: NetworkConfig, name: str, width: int, vits: tuple[VitConfig, VitConfig]) -> NetworkConfig:
    """Return a network with auto-encoders of pictures and sound in place of its extractors."""
    masked = [one if name == GMF_MAE else dataclasses.replace(one, mask=0.0) for one in vits]
    video, audio = (ExtractorConfig(VIT, width, vit=one) for one in masked)
    return dataclasses.replace(network, name=name, video=video, audio=audio, fusion=FusionConfig("concat"))


def published_autoencoders(name: str) -> NetworkConfig:
    """Return `gmf-mae` or `gmf-ae` for FakeAVCeleb in the size of ViT-B."""
    return _autoencoding(_FAKEAVCELEB, name, 768, _VIT_B)


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


def _events_autoencoder(name: str) -> AudioVideoConfig:
    """Return a run of a small auto-encoder on the procedural clips.

    No modality is dropped while it trains: "features must be intact during the learning process" (appendix I).
    """
    like = _events("concat")
    spectrogram = dataclasses.replace(_EVENTS.spectrogram, drop_last=True)
    return dataclasses.replace(
        like,
        preset=f"events-{name}",
        network=_autoencoding(dataclasses.replace(_EVENTS, spectrogram=spectrogram), name, 64, _VIT_SMALL),
        optimiser=dataclasses.replace(like.optimiser, name="adam", lr=0.001, beta2=0.95, weight_decay=0.0, clip=1.0),
        modality_dropout=0.0,
    )


#: GMF-MAE on FakeAVCeleb is trained as Table 5 says of GMF, since the paper gives nothing of its own.
_FAKEAVCELEB_MAE = _run(
    f"fakeavceleb-{GMF_MAE}", published_autoencoders(GMF_MAE), _FAKEAVCELEB_CLIPS, batch=64, epochs=20, sgd=_SGD
)

AUDIO_VIDEO = (
    *(_events(name) for name in FUSION_NAMES),
    *(_events_autoencoder(name) for name in AUTOENCODERS),
    *(_alone(_events("concat"), modality) for modality in ("audio", "video")),
    *(_vggsound(name) for name in FUSION_NAMES),
    *(_alone(_vggsound("concat"), modality) for modality in ("audio", "video")),
    *(_fakeavceleb(name) for name in FUSION_NAMES),
    _FAKEAVCELEB_MAE,
    *(_alone(_fakeavceleb("concat"), modality) for modality in ("audio", "video")),
)
