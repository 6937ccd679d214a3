"""The study of absence: fusions of sound and picture on procedural clips, scored with either of them missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from crosswire.training.tasks.audio_video.config import (
    FUSION_NAMES,
    AudioVideoConfig,
    ClipDataConfig,
    ClipShape,
    OptimiserConfig,
)
from crosswire.training.tasks.presets import preset
from research.study.study import Claim, Study, StudyRow, exceeds

_PAPER = "GMF, Table 2"
_TITLES = {"concat": "concatenation", "gmf": "GMF", "mbt": "MBT"}
#: Accuracy that may be lost for an equal one.
_EQUAL = 0.01


def base(size: str) -> AudioVideoConfig:
    """Return the run that every row varies: no modality is ever dropped in training, as in the paper.

    Args:
        size: `cpu`, about a minute per run, or `gpu`, the clips and the schedule of `events-gmf` at four times the
            width.
    """
    whole = preset("events-gmf")
    assert isinstance(whole, AudioVideoConfig)
    network, data = whole.network, whole.data
    steps, optimiser = 2000, whole.optimiser
    if size == "gpu":
        wide = {m: dataclasses.replace(getattr(network, m), width=32) for m in ("video", "audio")}
        network = dataclasses.replace(network, **wide)
        data = ClipDataConfig(train_clips=8192, val_clips=256, test_clips=2048, batch=64)
    else:
        steps = 250
        network = dataclasses.replace(network, clip=ClipShape(6, 32, 48, 3.0, 32000, 16000))
        data = ClipDataConfig(train_clips=1024, val_clips=64, test_clips=384, batch=32)
        optimiser = OptimiserConfig(lr=0.05, schedule="cosine", warmup=0.05, clip=5.0)
    return dataclasses.replace(
        whole,
        preset=f"study-{size}",
        network=network,
        data=data,
        optimiser=optimiser,
        steps=steps,
        val_every=steps // 5,
        modality_dropout=0.0,
    )


def rows(size: str) -> list[StudyRow]:
    """Return the fusions: three on a CPU, all of them on a GPU, there also with modalities dropped in training."""
    config = base(size)
    names = FUSION_NAMES if size == "gpu" else ("concat", "gmf", "mbt")
    plain = [row(_TITLES.get(name, name), config, name) for name in names]
    if size != "gpu":
        return plain
    dropped = dataclasses.replace(config, modality_dropout=0.3)
    return plain + [row(f"{_TITLES.get(name, name)}, dropout", dropped, name) for name in names]


def row(title: str, config: AudioVideoConfig, name: str) -> StudyRow:
    """Return a row with a fusion, as its preset has it.

    Args:
        title: of the row.
        config: the run that is varied.
        name: of the fusion.
    """
    like = preset(f"events-{name}")
    assert isinstance(like, AudioVideoConfig)
    return StudyRow.varied(title, config, fusion=like.network.fusion)


def read(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the accuracy with sound, pictures, and both, and what the absence of one costs on average."""
    found = {name: float(scores["accuracy"]) for name, scores in metrics["scores"].items()}
    return {**found, "lost": found["AV"] - (found["A"] + found["V"]) / 2}


def _loses_less_than(other: str) -> Claim:
    """Claim that absence costs GMF less than another fusion."""
    text = f"The absence of a modality costs {other} more accuracy than GMF"
    return Claim(text, _PAPER, exceeds(other, "GMF", "lost"))


def _keeps_up_with(other: str) -> Claim:
    """Claim that GMF is as good as another fusion, or better, where everything is there."""
    text = f"With both modalities GMF is as accurate as {other} or better (within {100 * _EQUAL:g} point)"
    return Claim(text, _PAPER, exceeds("GMF", other, "AV", least=-_EQUAL))


_OTHERS: Sequence[str] = ("concatenation", "MBT")
MISSING = Study(
    name="missing",
    question="What does a fusion of sound and picture still decide when one of them is absent?",
    rows=rows,
    read=read,
    shown={"A": "sound", "V": "pictures", "AV": "both", "lost": "lost if absent"},
    drawn=("A", "V", "AV"),
    claims=(*(_loses_less_than(other) for other in _OTHERS), *(_keeps_up_with(other) for other in _OTHERS)),
    power=(
        "Size cpu: narrow extractors that are trained with each fusion, six frames of 32x48 pixels, 250 steps. Four of "
        "eight classes need both modalities, so that one alone can find about 60 % at best. Differences of less than "
        "a few points drown in the spread between seeds; frozen extractors and pretrained ones are not looked at."
    ),
)
