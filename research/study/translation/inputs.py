"""Studies of what comes in: one input domain against two, one to four, and norms that the inputs share or not."""

from __future__ import annotations

from itertools import pairwise

from crosswire.training.tasks.translation.config import NORM_SHARING
from research.study.study import Claim, Study, StudyRow, exceeds
from research.study.translation.base import POWER, base, less, read

_BOTH, _NONE = "both, exchange", "both, no exchange"
#: Table 5 of the CEN paper puts the inputs together in this order.
_GROWING = (("depth",), ("normal",), ("depth", "normal"), ("depth", "normal", "texture"))
_ALL = (*_GROWING, ("depth", "normal", "texture", "shade"))


def _translation_rows(size: str) -> list[StudyRow]:
    """Return single inputs, both with and without exchange, and two baselines."""
    config = base("rooms-translate", size)
    return [
        StudyRow.varied("texture alone", config, inputs=("texture",)),
        StudyRow.varied("shade alone", config, inputs=("shade",)),
        StudyRow.varied(_NONE, config, fusion="none"),
        StudyRow.varied("both, average", config, fusion="average"),
        StudyRow.varied("both, concat", config, fusion="concat"),
        StudyRow(_BOTH, config),
    ]


def _modality_rows(size: str) -> list[StudyRow]:
    """Return one to four inputs."""
    config = base("rooms-translate", size)
    return [StudyRow.varied(_joined(inputs), config, inputs=inputs) for inputs in _ALL]


def _joined(inputs: tuple[str, ...]) -> str:
    """Return the name of a row."""
    return " + ".join(inputs)


def _norm_rows(size: str) -> list[StudyRow]:
    """Return what the norms of two inputs share, without exchange, and the exchange of private ones."""
    config = base("rooms-translate", size)
    shared = [
        StudyRow.varied(_sharing(kind), config, fusion="none", penalise="none", norm_sharing=kind)
        for kind in NORM_SHARING
    ]
    return [*shared, StudyRow("exchange", config)]


def _sharing(kind: str) -> str:
    """Return the name of a row."""
    return {"affine": "γ and β shared", "statistics": "μ and σ² shared"}.get(kind, f"norms {kind}")


TRANSLATION = Study(
    name="translation",
    question="Do two input domains make better pictures than one, and does exchange help them to?",
    rows=_translation_rows,
    read=read,
    shown={"rgb": "MAE rgb", "exchanged": "exchanged"},
    drawn=("rgb",),
    power=POWER,
    claims=(
        Claim("Both inputs are better than texture alone", "CEN, Table 4", exceeds("texture alone", _BOTH, "rgb")),
        Claim("Both inputs are better than shade alone", "CEN, Table 4", exceeds("shade alone", _BOTH, "rgb")),
        Claim("Exchange is better than none", "CEN, Table 4", exceeds(_NONE, _BOTH, "rgb")),
        Claim("Exchange is better than averaging", "CEN, Table 4", exceeds("both, average", _BOTH, "rgb")),
        Claim("Exchange is better than concatenation", "CEN, Table 4", exceeds("both, concat", _BOTH, "rgb")),
    ),
)


MODALITIES = Study(
    name="modalities",
    question="Does every further input domain make better images?",
    rows=_modality_rows,
    read=read,
    shown={"rgb": "MAE rgb", "exchanged": "exchanged"},
    drawn=("rgb",),
    power=POWER,
    claims=(
        *less("depth + normal", "depth", ("rgb",), "CEN, Table 5"),
        *(
            claim
            for fewer, more in pairwise(_ALL[1:])
            for claim in less(_joined(more), _joined(fewer), ("rgb",), "CEN, Table 5")
        ),
    ),
)

NORMS = Study(
    name="norms",
    question="Must the inputs have norms of their own, and which part of them?",
    rows=_norm_rows,
    read=read,
    shown={"rgb": "MAE rgb", "exchanged": "exchanged"},
    drawn=("rgb",),
    power=POWER + " The norms are batch norms here, whose shared statistics are of all inputs in training, too.",
    claims=(
        *(
            claim
            for kind in NORM_SHARING[1:]
            for claim in less(_sharing("private"), _sharing(kind), ("rgb",), "CEN supplement, Tables 8 and 9")
        ),
        *less(_sharing("affine"), _sharing("shared"), ("rgb",), "CEN supplement, Table 9"),
        *less("exchange", _sharing("private"), ("rgb",), "CEN supplement, Table 8"),
    ),
)
