"""Image translation: the experiments of the TPAMI paper on Taskonomy, and small ones on the procedural rooms.

Source: the CEN journal paper, section 4 and Tables 4 to 11, with the schedule of the official code: Adam, one image
per step, 300 epochs of 1,000. What its SemSeg is taken for, `domains.py` says. The loss, adversarial part included, is
that of the mixed image alone (Eq. 5), and the norms of a decoder are shared, as the text has it. `-official` trains as
the official code does, which fuses two inputs into one output: a loss of every stream, private norms in the decoder,
and an exchange anywhere.
`-weighted` is the weighted sum of channels of the CEN authors' response to the reviewers, with its three inputs.
They need the data set (`data.path=DIR`). The rooms' own presets keep the loss of every stream.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from crosswire.training.datasets.rooms import CLASSES
from crosswire.training.datasets.taskonomy.classes import CLASSES as TASKONOMY_CLASSES
from crosswire.training.tasks.options import STAGE_FUSIONS, WHERE
from crosswire.training.tasks.translation.config import (
    LABELS,
    NORM_SHARING,
    SEMSEG,
    AdversarialConfig,
    ImagesConfig,
    TranslationConfig,
    TranslatorConfig,
)

_EPOCHS, _PICTURES = 300, 1000
_TASKONOMY = ImagesConfig(
    name="taskonomy", height=256, width=256, resize=286 / 256, train_scenes=_PICTURES, val_scenes=500, batch=1
)


def _paper(
    name: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    *,
    optimiser: dict[str, Any] | None = None,
    **network: Any,
) -> TranslationConfig:
    """Return one experiment on Taskonomy."""
    if SEMSEG in (*inputs, *outputs):
        network["classes"] = len(TASKONOMY_CLASSES)
    return TranslationConfig(
        preset=f"taskonomy-{name}",
        network=TranslatorConfig(inputs=inputs, outputs=outputs, **{"decoder_norms": "shared", **network}),
        data=_TASKONOMY,
        optimiser=AdversarialConfig(**{"stream_loss": 0.0, "judged": "answers", **(optimiser or {})}),
        steps=_EPOCHS * _PICTURES,
        val_every=5 * _PICTURES,
        seed=42,
    )


def _official(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> TranslationConfig:
    """Return an experiment as the official code runs it, where that differs from the papers."""
    optimiser = {"stream_loss": 1.0, "judged": "flows", "detach_ensemble": True}
    return _paper(f"{name}-official", inputs, outputs, optimiser=optimiser, restrict=False, decoder_norms="private")


def _cycle(name: str, domains: tuple[str, ...]) -> list[TranslationConfig]:
    """Return the rows of Table 6 for three domains."""
    each: dict[str, Any] = {"encoders": (0, 1, 2), "decoders": (0, 1, 2)}
    return [
        _paper(f"cycle-{name}", domains, domains, decoders=(0, 1, 2), cycle=True),
        _paper(f"cycle-{name}-compact", domains, domains, cycle=True),
        _paper(f"cycle-{name}-random", domains, domains, optimiser={"random_task": True}, cycle=True),
        _paper(f"cycle-{name}-independent", domains, domains, **each, cycle=True),
    ]


_SHADE_TEXTURE = ("shade", "texture")
_WITH_DEPTH = (*_SHADE_TEXTURE, "depth")
_FOUR = ("depth", "normal", "texture", "shade")
#: What two inputs are fused into; the official code does no more.
_PAIRS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("shade-texture-rgb", _SHADE_TEXTURE, ("rgb",)),
    ("depth-normal-rgb", ("depth", "normal"), ("rgb",)),
    ("rgb-shade-normal", ("rgb", "shade"), ("normal",)),
    ("rgb-normal-shade", ("rgb", "normal"), ("shade",)),
    ("rgb-edge-depth", ("rgb", "edge"), ("depth",)),
)
_FUSIONS = (
    *(make(*pair) for pair in _PAIRS for make in (_paper, _official)),
    _paper("shade-texture-rgb-none", _SHADE_TEXTURE, ("rgb",), fusion="none"),
    _paper("shade-texture-rgb-unshared", _SHADE_TEXTURE, ("rgb",), share_convs=False),
    _paper("shade-texture-rgb-all-norms", _SHADE_TEXTURE, ("rgb",), normed="all", levels=7),
    _paper("depth-normal-texture-rgb", ("depth", "normal", "texture"), ("rgb",)),
    _paper("depth-normal-texture-rgb-weighted", ("depth", "normal", "texture"), ("rgb",), fusion="weighted"),
    _paper("depth-normal-texture-shade-rgb", _FOUR, ("rgb",)),
    _paper("depth-normal-texture-shade-rgb-none", _FOUR, ("rgb",), fusion="none"),
    _paper("shade-texture-depth-rgb", _WITH_DEPTH, ("rgb",)),
    _paper("shade-texture-depth-rgb-none", _WITH_DEPTH, ("rgb",), fusion="none"),
    *(_paper(f"{name}-rgb", (name,), ("rgb",)) for name in ("depth", "normal", "texture", "shade")),
    *(
        _paper(f"shade-texture-rgb-{fusion}-{where}", _SHADE_TEXTURE, ("rgb",), fusion=fusion, where=where)
        for fusion in STAGE_FUSIONS
        for where in WHERE
    ),
)
#: What streams that exchange nothing share of their norms: Tables 10 and 11, by the presets whose exchange they lack.
_SHARED_NORMS = tuple(
    _paper(f"{name}-norms-{sharing}", inputs, ("rgb",), fusion="none", norm_sharing=sharing)
    for name, inputs in (
        ("shade-texture-rgb", _SHADE_TEXTURE),
        ("shade-texture-depth-rgb", _WITH_DEPTH),
        ("depth-normal-texture-shade-rgb", _FOUR),
    )
    for sharing in NORM_SHARING[1:]
)
_TWO, _THREE = (0, 1), (0, 1, 2)
_PLACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("", {}),
    ("-encoder", {"place": "encoder"}),
    ("-decoder", {"place": "decoder"}),
    ("-none", {"fusion": "none"}),
)
_MULTITASK = (
    _paper("multitask-texture", ("texture",), ("rgb", "depth"), decoders=_TWO),
    _paper("multitask-texture-hard", ("texture",), ("rgb", "depth"), decoders=_TWO, fusion="none"),
    _paper("multitask-texture-individual", ("texture",), ("rgb", "depth"), decoders=_TWO, encoders=_TWO, fusion="none"),
    _paper("multitask-rgb-semseg", ("rgb",), (SEMSEG, "depth"), decoders=_TWO),
    _paper("multitask-rgb-semseg-hard", ("rgb",), (SEMSEG, "depth"), decoders=_TWO, fusion="none"),
    _paper("multitask-rgb-semseg-individual", ("rgb",), (SEMSEG, "depth"), decoders=_TWO, encoders=_TWO, fusion="none"),
    *(
        _paper(f"multitask-{inputs}-adashare", (inputs,), outputs, decoders=_THREE, fusion="none", blocks=1)
        for inputs, outputs in (("rgb", (SEMSEG, "depth", "normal")), ("texture", ("rgb", "depth", "edge")))
    ),
    _paper("multitask-rgb-three", ("rgb",), ("depth", "normal", "shade"), decoders=_THREE),
    _paper("multitask-rgb-grouped", ("rgb",), ("depth", "normal", "shade"), decoders=_THREE, encoders=(0, 0, 1)),
    *(
        _paper(f"both-texture-shade{suffix}", ("texture", "shade"), ("rgb", "depth"), decoders=_TWO, **changes)
        for suffix, changes in _PLACES
    ),
    *(
        _paper(f"both-rgb-depth-semseg{suffix}", ("rgb", "depth"), (SEMSEG, "curvature"), decoders=_TWO, **changes)
        for suffix, changes in _PLACES
    ),
)
_CYCLES = (
    *_cycle("shade-texture", ("rgb", "shade", "texture")),
    *_cycle("depth-normal", ("rgb", "depth", "normal")),
    *_cycle("depth-semseg", ("rgb", "depth", SEMSEG)),
)

#: Depth in the rooms: 0 to 10 m over the whole range.
_METRES: dict[str, Any] = {"depth_gain": 1.0, "depth_top": math.log(11.0)}
_SMALL: dict[str, Any] = {
    "levels": 5,
    "width": 12,
    "norm": "batch",
    "decoder_norms": "private",
    "dropout": 0.0,
    "gamma_low": 0.0,
    **_METRES,
}
_ROOMS_TRANSLATE = TranslationConfig(
    preset="rooms-translate",
    network=TranslatorConfig(inputs=("texture", "shade"), outputs=("rgb",), **_SMALL),
    data=ImagesConfig(train_scenes=1500, flip=0.0, batch=4),
    optimiser=AdversarialConfig(
        lr=1e-3,
        gamma_lr=5e-3,
        discriminator_lr=2e-4,
        adversarial=0.0,
        sparsity=1e-3,
        stream_loss=1.0,
        schedule="cosine",
        discriminator_width=16,
    ),
    steps=3000,
    val_every=500,
)
_ROOMS_MULTITASK = dataclasses.replace(
    _ROOMS_TRANSLATE,
    preset="rooms-multitask",
    network=TranslatorConfig(inputs=("rgb",), outputs=("depth", "normal"), decoders=_TWO, **_SMALL),
)


def _changed(base: TranslationConfig, suffix: str, **network: Any) -> TranslationConfig:
    """Return a run whose network is another one."""
    changed = dataclasses.replace(base.network, **network)
    return dataclasses.replace(base, preset=f"{base.preset}-{suffix}", network=changed)


ROOMS_TRANSLATION = (
    _ROOMS_TRANSLATE,
    _changed(_ROOMS_TRANSLATE, "texture", inputs=("texture",)),
    _changed(_ROOMS_TRANSLATE, "shade", inputs=("shade",)),
    _ROOMS_MULTITASK,
    _changed(_ROOMS_MULTITASK, "none", fusion="none"),
    _changed(_ROOMS_MULTITASK, "labels", outputs=("depth", LABELS), classes=len(CLASSES)),
    _changed(_ROOMS_MULTITASK, "semseg", outputs=(SEMSEG, "depth"), classes=len(CLASSES)),
    _changed(
        _ROOMS_MULTITASK, "adashare", outputs=("depth", "normal", "shade"), decoders=_THREE, fusion="none", blocks=1
    ),
)
TRANSLATION = (*ROOMS_TRANSLATION, *_FUSIONS, *_SHARED_NORMS, *_MULTITASK, *_CYCLES)
