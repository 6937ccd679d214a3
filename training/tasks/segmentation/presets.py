"""Segmentation runs: on procedural rooms and tabletops, which need no download, and the experiments of the papers.

Source of the latter: the CEN paper, Tables 1 to 3, and the CEN supplement for schedules and baselines. They begin
from ImageNet weights (`network.imagenet=FILE`) and need the data set (`data.path=DIR`).

Of Cityscapes the papers have a picture alone (CEN supplement, Figure 7): PSPNet-101, RGB and depth, 2,975 training
frames without the coarse ones, beside concatenation, alignment and self-attention, which stand here where Table 2 has
them best. What they do not say (crops, rates, λ) is as on the other data sets, and the 90 epochs show about as many
frames as theirs.

`fine-tune` is for a folder of one's own frames (`data.path=DIR`).
`rooms-cen` is the network that `model_repository/rooms_cen` serves; `rooms-quick` trains in minutes for a first look.
`tabletop-cen` and `tabletop-quick` find objects on procedural tables, which are seen as real depth cameras see them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from crosswire.training.tasks.options import WHERE
from crosswire.training.tasks.segmentation.config import (
    CITYSCAPES,
    DataConfig,
    LossConfig,
    NetworkConfig,
    OptimiserConfig,
    SegmentationConfig,
)

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
_TABLETOP_QUICK = dataclasses.replace(
    _ROOMS_QUICK,
    preset="tabletop-quick",
    # Tables lie 0.5 to 1.5 m away, and a card on one rises by millimetres.
    network=dataclasses.replace(_ROOMS_QUICK.network, classes=3, depth_mean=1.0, depth_std=0.4, depth_farthest=3.0),
    data=DataConfig(name="tabletop", height=120, width=160, train_scenes=1000),
)
_TABLETOP_CEN = dataclasses.replace(
    _ROOMS_CEN,
    preset="tabletop-cen",
    network=_TABLETOP_QUICK.network,
    data=DataConfig(name="tabletop", height=240, width=320, train_scenes=1500),
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
TABLETOPS = (_TABLETOP_QUICK, _TABLETOP_CEN)

_TUNING_STEPS = 600
#: For about fifty frames of one's own, from ImageNet.
_FINE_TUNE = SegmentationConfig(
    preset="fine-tune",
    network=NetworkConfig(name="cen-mobile", classes=2, imagenet="installed"),
    data=DataConfig(
        name="folder",
        height=256,
        width=320,
        scale_min=0.6,
        scale_max=1.4,
        eval_batch=1,
        batch=6,
        colour_jitter=0.3,
        depth_jitter=0.1,
    ),
    optimiser=dataclasses.replace(
        _ROOMS_QUICK.optimiser,
        encoder_lr=0.02,
        decoder_lr=0.05,
        gamma_lr=0.1,
        # Pretrained factors begin at 0.2 to 6: this many steps carry one that the task does not want down by 0.6.
        sparsity=1.2 / _TUNING_STEPS,
        layer_decay=0.8,
    ),
    loss=LossConfig(dice=0.5),
    steps=_TUNING_STEPS,
    val_every=100,
)

OWN = (_FINE_TUNE, _alone(_FINE_TUNE, "rgb"), _alone(_FINE_TUNE, "depth"))

_BATCH = 6
#: Per data set: training frames, classes, and the epochs by the backbone's depth.
_DATA = {
    "nyuv2": (795, 40, {101: 300, 152: 450}),
    "sunrgbd": (5285, 37, {101: 60, 152: 60}),
    CITYSCAPES: (2975, 19, {101: 90}),
}
#: Depth of a street, metres, where `crosswire train` does not measure the data's own.
_STREET: dict[str, Any] = {"depth_mean": 30.0, "depth_std": 30.0, "depth_farthest": 250.0}
_VALIDATIONS = 30


def _experiment(data: str, decoder: str, depth: int) -> SegmentationConfig:
    """Return one row of Table 3: a data set, a decoder and a backbone."""
    frames, classes, epochs = _DATA[data]
    steps = epochs[depth] * (frames // _BATCH)
    return SegmentationConfig(
        preset=f"{data}-{decoder}{depth}",
        network=NetworkConfig(name=f"{decoder}{depth}", classes=classes, **(_STREET if data == CITYSCAPES else {})),
        data=DataConfig(
            name=data,
            height=500,
            width=500,
            scale_min=0.5,
            scale_max=2.0,
            shorter_side=350,
            eval_batch=1,
            batch=_BATCH,
        ),
        optimiser=OptimiserConfig(schedule="halve"),
        steps=steps,
        val_every=steps // _VALIDATIONS,
        seed=42,
    )


def _variant(base: SegmentationConfig, suffix: str, **network: Any) -> SegmentationConfig:
    """Return an experiment whose network is another one."""
    changed = dataclasses.replace(base.network, **network)
    return dataclasses.replace(base, preset=f"{base.preset}-{suffix}", network=changed)


def _official(base: SegmentationConfig) -> SegmentationConfig:
    """Return an experiment as the official code runs it, where that differs from the papers."""
    changed = _variant(
        base, "official", restrict=False, penalise="half", frozen_statistics=True, depth_mean=0.0, depth_std=1.0
    )
    # λ is 2e-4 and added once for each of the three outputs; the ensemble's own loss reaches α alone.
    optimiser = dataclasses.replace(
        base.optimiser, sparsity=6e-4, schedule="official", stream_loss=1.0, detach_ensemble=True
    )
    return dataclasses.replace(changed, optimiser=optimiser)


_NYU101, _SUN101 = _experiment("nyuv2", "refinenet", 101), _experiment("sunrgbd", "refinenet", 101)
_NYU152, _SUN152 = _experiment("nyuv2", "refinenet", 152), _experiment("sunrgbd", "refinenet", 152)
_STREET101 = _experiment(CITYSCAPES, "pspnet", 101)

#: Table 1 and the additional studies of section 4.1 on NYUv2: convolutions and norms shared (s) or not (u).
ABLATIONS: dict[str, dict[str, Any]] = {
    "uu": {"fusion": "none", "share_convs": False},
    "ss": {"fusion": "none", "share_norms": True},
    "su": {"fusion": "none"},
    "su-fixed": {"fusion": "fixed"},
    "su-random": {"fusion": "random"},
    "su-strided": {"fusion": "fixed", "points": "strided", "penalise": "half"},
    "uu-half": {"fusion": "none", "share_convs": False, "penalise": "half"},
    "uu-half-exchange": {"share_convs": False},
    "su-half": {"fusion": "none", "penalise": "half"},
    "uu-all": {"fusion": "none", "share_convs": False, "penalise": "all"},
    "uu-all-exchange": {"share_convs": False, "penalise": "all", "restrict": False},
    "su-all": {"fusion": "none", "penalise": "all"},
    "su-all-exchange": {"penalise": "all", "restrict": False},
    "discard": {"fusion": "discard"},
    "sum": {"fusion": "sum"},
    "gate": {"fusion": "gate"},
    "uu-cbn": {"fusion": "cbn", "share_convs": False},
    "su-cbn": {"fusion": "cbn"},
    "concat-ensemble": {"ensemble": "concat"},
    "rgb": {"streams": ("rgb",)},
    "depth": {"streams": ("depth",)},
}

PAPERS = (
    *(
        _experiment(data, decoder, depth)
        for data in ("nyuv2", "sunrgbd")
        for decoder, depth in (("refinenet", 101), ("refinenet", 152), ("pspnet", 152))
    ),
    *(_official(base) for base in (_NYU101, _NYU152, _SUN101)),
    *(_variant(_NYU101, suffix, **network) for suffix, network in ABLATIONS.items()),
    # Table 3: one modality alone; CBN and SSMA as the authors implemented them, on SUN RGB-D, too.
    *(_variant(base, one, streams=(one,)) for base in (_NYU152, _SUN101, _SUN152) for one in ("rgb", "depth")),
    _variant(_SUN101, "su-cbn", **ABLATIONS["su-cbn"]),
    _variant(_SUN101, "attention-all", fusion="attention", where="all"),
    *(
        _variant(_NYU101, f"{fusion}-{where}{suffix}", fusion=fusion, where=where, setting=setting)
        for fusion in ("concat", "average", "align", "attention")
        for where in WHERE
        for setting, suffix in (("same", ""), ("common", "-common"))
    ),
    _STREET101,
    *(_variant(_STREET101, one, streams=(one,)) for one in ("rgb", "depth")),
    *(
        _variant(_STREET101, f"{fusion}-{where}", fusion=fusion, where=where)
        for fusion, where in (("concat", "all"), ("align", "middle"), ("attention", "all"))
    ),
)
