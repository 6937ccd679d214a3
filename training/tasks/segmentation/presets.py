"""Runs on the procedural rooms, which need no download.

`rooms-cen` is the network that `model_repository/rooms_cen` serves; `rooms-quick` trains in minutes for a first look.
"""

from __future__ import annotations

import dataclasses

from crosswire.training.tasks.segmentation.config import DataConfig, NetworkConfig, OptimiserConfig, SegmentationConfig

_QUICK_STEPS = 600
_ROOMS_QUICK = SegmentationConfig(
    preset="rooms-quick",
    network=NetworkConfig(name="cen-lite-s", classes=12, gamma_low=0.0),
    data=DataConfig(train_scenes=1000),
    optimiser=OptimiserConfig(
        encoder_lr=0.1,
        decoder_lr=0.1,
        gamma_lr=0.5,
        nesterov=True,
        weight_decay=1e-4,
        gamma_weight_decay=0.0,
        sparsity=0.135 / _QUICK_STEPS,
        stream_loss=0.5,
        clip=5.0,
        schedule="cosine",
        warmup=0.05,
    ),
    steps=_QUICK_STEPS,
    val_every=100,
)
_ROOMS_STEPS = 2400
_ROOMS_CEN = dataclasses.replace(
    _ROOMS_QUICK,
    preset="rooms-cen",
    data=DataConfig(train_scenes=3000),
    # More steps at less pressure: a scaling factor that the task does not want falls equally far.
    optimiser=dataclasses.replace(_ROOMS_QUICK.optimiser, sparsity=0.135 / _ROOMS_STEPS),
    steps=_ROOMS_STEPS,
    val_every=300,
    modality_dropout=0.2,  # so that it answers with one stream alone, too
)


def _alone(config: SegmentationConfig, stream: str) -> SegmentationConfig:
    """Return the same run for one stream alone."""
    network = dataclasses.replace(config.network, streams=(stream,))
    return dataclasses.replace(config, preset=f"{config.preset}-{stream}", network=network)


ROOMS = (
    _ROOMS_QUICK,
    _alone(_ROOMS_QUICK, "rgb"),
    _alone(_ROOMS_QUICK, "depth"),
    _ROOMS_CEN,
)
