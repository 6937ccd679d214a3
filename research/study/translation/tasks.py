"""Studies of several outputs: decoders that exchange, cross-task consistency, and which tasks share an encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosswire.training.tasks.translation.config import TranslationConfig
from research.study.study import Claim, Study, StudyRow, StudyTable, Verdict, compare
from research.study.translation.base import POWER, base, less, read

_DECODERS, _HARD, _OWN = "exchange in decoders", "no exchange", "individual networks"
_CONSISTENT, _BOTH = "X-TC", "X-TC and exchange"
_TABLE_7, _TABLE_8 = "CEN journal, Table 7", "CEN journal, Table 8"
#: Weight of the consistency; the papers give none, X-TC's own is one part of three.
_WEIGHT = 0.5
#: The three tasks of a grouping, those that share an encoder side by side.
_GROUPS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "together": (("depth", "normal", "shade"), (0, 0, 0)),
    "depth+normal, shade": (("depth", "normal", "shade"), (0, 0, 1)),
    "depth+shade, normal": (("depth", "shade", "normal"), (0, 0, 1)),
    "depth, normal+shade": (("depth", "normal", "shade"), (0, 1, 1)),
}
_WITH = "exchange: "


def _multitask_rows(size: str) -> list[StudyRow]:
    """Return networks of one task each, hard sharing, and exchange in the decoders."""
    config = base("rooms-multitask", size)
    return [
        StudyRow.varied(_OWN, config, fusion="none", encoders=(0, 1)),
        StudyRow.varied(_HARD, config, fusion="none"),
        StudyRow(_DECODERS, config),
    ]


def _consistency_rows(size: str) -> list[StudyRow]:
    """Return hard sharing and exchange, each without and with consistency."""
    config = base("rooms-multitask", size)
    one_to_one = base("rooms-translate", size)
    teacher = StudyRow.varied("depth to normal", one_to_one, inputs=("depth",), outputs=("normal",))
    return [
        StudyRow.varied(_HARD, config, fusion="none"),
        dataclasses.replace(StudyRow.varied(_CONSISTENT, config, fusion="none"), teacher=(teacher, _consistent)),
        StudyRow(_DECODERS, config),
        StudyRow(_BOTH, config, (teacher, _consistent)),
    ]


def _consistent(config: TranslationConfig, teacher: Path) -> TranslationConfig:
    """Return a run whose first output, sent through a trained network, must agree with the second."""
    told = dataclasses.replace(config.optimiser, consistency=_WEIGHT, consistency_run=str(teacher))
    return dataclasses.replace(config, optimiser=told)


def _grouping_rows(size: str) -> list[StudyRow]:
    """Return every grouping of three tasks with at most two encoders, without and with exchange in the decoders."""
    config = base("rooms-multitask", size)
    return [
        StudyRow.varied(prefix + name, config, outputs=outputs, encoders=encoders, decoders=(0, 1, 2), fusion=fusion)
        for prefix, fusion in (("", "none"), (_WITH, config.network.fusion))
        for name, (outputs, encoders) in _GROUPS.items()
    ]


def _grouping_figures(metrics: dict[str, Any]) -> dict[str, float]:
    """Return what `read` does, and the mean over the three tasks."""
    figures = read(metrics)
    return {**figures, "error": (figures["depth"] + figures["normal"] + figures["shade"]) / 3}


def _best(table: StudyTable, prefix: str) -> str:
    """Return the grouping with two encoders that errs least on average, over all seeds."""
    return min((prefix + name for name in list(_GROUPS)[1:]), key=lambda row: table.mean(row, "error"))


def _grouping_gains(prefix: str) -> Callable[[StudyTable], Verdict]:
    """Return a judge that the best grouping errs less than all tasks together."""
    return lambda table: compare(table, f"{prefix}together", _best(table, prefix), "error")


def _exchange_gains(table: StudyTable) -> Verdict:
    """Judge that the best grouping with exchange errs less than the best without."""
    return compare(table, _best(table, ""), _best(table, _WITH), "error")


MULTITASK = Study(
    name="multitask",
    question="Do depth and normals from colour gain from exchanging channels between their decoders?",
    rows=_multitask_rows,
    read=read,
    shown={"depth": "MAE depth", "normal": "MAE normal", "exchanged": "exchanged"},
    drawn=("depth", "normal"),
    power=POWER,
    claims=(
        *less(_DECODERS, _HARD, ("depth", "normal"), _TABLE_7),
        *less(_DECODERS, _OWN, ("depth", "normal"), _TABLE_7),
    ),
)

CONSISTENCY = Study(
    name="consistency",
    question="Do depth and normals that must agree gain from exchange all the same?",
    rows=_consistency_rows,
    read=read,
    shown={"depth": "MAE depth", "normal": "MAE normal", "exchanged": "exchanged"},
    drawn=("depth", "normal"),
    power=POWER + " Consistency: depth, sent through a trained network, against the normals.",
    claims=(
        *less(_CONSISTENT, _HARD, ("depth", "normal"), _TABLE_7),
        *less(_DECODERS, _CONSISTENT, ("depth", "normal"), _TABLE_7),
        *less(_BOTH, _DECODERS, ("depth", "normal"), _TABLE_7),
    ),
)

GROUPING = Study(
    name="grouping",
    question="Which of three tasks should share an encoder, and does exchange help the best grouping?",
    rows=_grouping_rows,
    read=_grouping_figures,
    shown={"depth": "depth", "normal": "normal", "shade": "shade", "error": "MAE, mean", "exchanged": "exchanged"},
    drawn=("error",),
    power=POWER + " The best grouping is chosen by the same figures that are compared, on both sides alike.",
    claims=(
        Claim("The best grouping with two encoders errs less than one encoder for all", _TABLE_8, _grouping_gains("")),
        Claim("Exchange makes the best grouping err less", _TABLE_8, _exchange_gains),
        *less(f"{_WITH}together", "together", ("depth", "normal", "shade"), _TABLE_8),
    ),
)
