"""Studies of channel exchange in RGB-D segmentation on procedural rooms."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import DataConfig, NetworkConfig, SegmentationConfig
from crosswire.training.tasks.segmentation.presets import ABLATIONS
from research.study.study import AGREES, OPEN, REFUTED, Claim, Study, StudyRow, StudyTable, Verdict, compare, exceeds

#: λ times steps, and the rate of γ: what makes a short run exchange about a quarter of what it may.
_PRESSURE = 0.135
_CEN = "S-U, L1 half, exchange"
_SHOWN = {"ensemble": "mIoU both", "rgb": "mIoU rgb", "depth": "mIoU depth", "exchanged": "exchanged"}
_POWER = (
    "Size cpu: a narrow network, 64x80 pixels and a few hundred steps. Differences of less than about two points of "
    "mIoU drown in the spread between seeds; what needs long training or pretrained weights cannot show."
)
#: Rows of Table 1: convolutions and norms shared (S) or not (U), as the preset's suffix calls them.
_TABLE_1 = {
    "U-U": "uu",
    "S-S": "ss",
    "S-U": "su",
    "S-U, fixed 30 %": "su-fixed",
    "S-U, random": "su-random",
    "U-U, L1 half": "uu-half",
    "U-U, L1 half, exchange": "uu-half-exchange",
    "S-U, L1 half": "su-half",
    _CEN: None,
    "U-U, L1 all": "uu-all",
    "U-U, L1 all, exchange": "uu-all-exchange",
    "S-U, L1 all": "su-all",
    "S-U, L1 all, exchange": "su-all-exchange",
    "S-U, L1 half, discard": "discard",
}
_FUSIONS = ("concat", "average", "align", "attention")
_OTHERS = {"CBN": "su-cbn", "sum": "sum", "soft gate": "gate", "concat ensemble": "concat-ensemble"}


#: A judge that one row has more of a figure than another, by default of the ensemble's mIoU.
_above = partial(exceeds, figure="ensemble")


def base(size: str) -> SegmentationConfig:
    """Return the run that every row varies.

    Args:
        size: `cpu`, seconds per run, or `gpu`, the papers' backbone on whole rooms.
    """
    quick = preset("rooms-quick")
    assert isinstance(quick, SegmentationConfig)
    if size == "gpu":
        steps, network = 6000, NetworkConfig(name="refinenet50", classes=12, gamma_low=0.0)
        data = DataConfig(train_scenes=6000, val_scenes=64, test_scenes=256, batch=16)
        rate = 0.02
        runtime = dataclasses.replace(quick.runtime, precision="bf16", workers=8)
    else:
        steps, network = 240, dataclasses.replace(quick.network, width=12, features=24)
        data = DataConfig(height=64, width=80, train_scenes=400, val_scenes=8, test_scenes=128)
        rate, runtime = quick.optimiser.encoder_lr, quick.runtime
    optimiser = dataclasses.replace(quick.optimiser, sparsity=_PRESSURE / steps, encoder_lr=rate, decoder_lr=rate)
    return dataclasses.replace(
        quick,
        preset=f"study-{size}",
        network=network,
        data=data,
        optimiser=optimiser,
        runtime=runtime,
        steps=steps,
        val_every=steps // 3,
    )


def read(metrics: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a run: mIoU of the ensemble and of every stream, and the share of γ̂ that is exchanged."""
    figures = {name: float(scores["mean_iou"]) for name, scores in metrics["scores"].items()}
    return {**figures, "exchanged": float(metrics["exchanged_share"])}


def _exchange_rows(size: str) -> list[StudyRow]:
    """Return the rows of Table 1."""
    config = base(size)
    return [StudyRow.varied(name, config, **(ABLATIONS[key] if key else {})) for name, key in _TABLE_1.items()]


def _fusion_rows(size: str) -> list[StudyRow]:
    """Return single streams, the baselines of Table 2 in the setting of CEN, and CEN."""
    config = base(size)
    places: Sequence[str] = ("early", "middle", "late", "all") if size == "gpu" else ("middle", "all")
    return [
        StudyRow.varied("rgb alone", config, **ABLATIONS["rgb"]),
        StudyRow.varied("depth alone", config, **ABLATIONS["depth"]),
        *(
            StudyRow.varied(f"{fusion} {where}", config, fusion=fusion, where=where)
            for fusion in _FUSIONS
            for where in places
        ),
        *(StudyRow.varied(name, config, **ABLATIONS[key]) for name, key in _OTHERS.items()),
        StudyRow(_CEN, config),
    ]


def _sensitivity_rows(size: str) -> list[StudyRow]:
    """Return runs with other λ, and with other θ."""
    config = base(size)
    pressures = (0.0, 0.3, 1.0, 3.0, 10.0)
    thresholds = (1e-4, 5e-3, 2e-2, 1e-1)
    return [
        *(
            StudyRow(
                f"λ x {factor:g}",
                dataclasses.replace(
                    config,
                    optimiser=dataclasses.replace(config.optimiser, sparsity=factor * config.optimiser.sparsity),
                ),
            )
            for factor in pressures
        ),
        *(StudyRow.varied(f"θ = {threshold:g}", config, threshold=threshold) for threshold in thresholds),
    ]


def _shares(table: StudyTable) -> Verdict:
    """Judge that 10 to 50 % of the penalised channels are exchanged wherever exchange is on."""
    means = {row: table.mean(row, "exchanged") for row in table.rows if row.endswith("exchange")}
    inside = all(0.1 <= share <= 0.5 for share in means.values())
    return Verdict(AGREES if inside else REFUTED, ", ".join(f"{row}: {share:.0%}" for row, share in means.items()))


def _best_baseline(table: StudyTable) -> Verdict:
    """Judge that CEN exceeds the best of all other rows."""
    others = [row for row in table.rows if row != _CEN]
    return compare(table, _CEN, max(others, key=lambda row: table.mean(row, "ensemble")), "ensemble")


def _next_to_no_parameters(table: StudyTable) -> Verdict:
    """Judge that exchanging adds less to one stream's network than every baseline with layers of its own."""
    alone = table.mean("rgb alone", "parameters")
    added = {
        row: table.mean(row, "parameters") / alone - 1 for row in table.rows if row not in ("rgb alone", "depth alone")
    }
    heavier = [row for row, share in added.items() if share > added[_CEN]]
    text = f"{_CEN} adds {added[_CEN]:.1%} to one stream's network, " + ", ".join(
        f"{row} {added[row]:.1%}" for row in heavier
    )
    return Verdict(AGREES if added[_CEN] == min(added.values()) else REFUTED, text)


def _rises(table: StudyTable) -> Verdict:
    """Judge that more pressure exchanges more."""
    rows = [row for row in table.rows if row.startswith("λ")]
    shares = [table.mean(row, "exchanged") for row in rows]
    text = ", ".join(f"{row}: {share:.0%}" for row, share in zip(rows, shares, strict=True))
    return Verdict(AGREES if shares == sorted(shares) else REFUTED, text)


def _robust(table: StudyTable) -> Verdict:
    """Judge that factors of three around the default of λ change the mIoU by less than the spread allows to see."""
    verdicts = [compare(table, "λ x 1", row, "ensemble") for row in ("λ x 0.3", "λ x 3")]
    word = AGREES if all(verdict.word == OPEN for verdict in verdicts) else REFUTED
    return Verdict(word, "; ".join(verdict.evidence for verdict in verdicts))


EXCHANGE = Study(
    name="exchange",
    question="What do exchange, private norms and the L1 penalty on sub-parts each contribute?",
    rows=_exchange_rows,
    read=read,
    shown=_SHOWN,
    drawn=("ensemble", "rgb", "depth"),
    power=_POWER,
    claims=(
        Claim("Exchange improves the ensemble", "CEN, Table 1", _above(_CEN, "S-U, L1 half")),
        Claim("Exchange improves the rgb stream", "CEN, Table 1", _above(_CEN, "S-U, L1 half", figure="rgb")),
        Claim("Exchange improves the depth stream", "CEN, Table 1", _above(_CEN, "S-U, L1 half", figure="depth")),
        Claim(
            "Exchange improves unshared convolutions too",
            "CEN, Table 1",
            _above("U-U, L1 half, exchange", "U-U, L1 half"),
        ),
        Claim("Private norms are better than shared ones", "CEN, Table 1", _above("S-U", "S-S")),
        Claim("Shared convolutions are better with exchange", "CEN, Table 1", _above(_CEN, "U-U, L1 half, exchange")),
        Claim("L1 on disjoint halves is better than on all", "CEN, Table 1", _above(_CEN, "S-U, L1 all, exchange")),
        Claim("Learnt exchange is better than a fixed portion", "CEN, Table 1", _above(_CEN, "S-U, fixed 30 %")),
        Claim("Learnt exchange is better than a random one", "CEN, Table 1", _above(_CEN, "S-U, random")),
        Claim("Exchanging is better than discarding", "CEN, section 4.1", _above(_CEN, "S-U, L1 half, discard")),
        Claim("A part of the channels is exchanged, not none and not all", "CEN, section 4.1", _shares),
    ),
)

FUSION = Study(
    name="fusion",
    question="Does channel exchange fuse better than the usual ways, and at what cost in parameters?",
    rows=_fusion_rows,
    read=read,
    shown=_SHOWN,
    drawn=("ensemble",),
    power=_POWER,
    claims=(
        Claim("Both modalities are better than rgb alone", "CEN, Table 3", _above(_CEN, "rgb alone")),
        Claim("Both modalities are better than depth alone", "CEN, Table 3", _above(_CEN, "depth alone")),
        *(
            Claim(f"CEN is better than {fusion} behind all stages", "CEN, Table 2", _above(_CEN, f"{fusion} all"))
            for fusion in _FUSIONS
        ),
        Claim("CEN is better than the best of all others", "CEN, Table 2", _best_baseline),
        Claim("CEN adds the fewest parameters", "CEN, Table 2", _next_to_no_parameters),
    ),
)

SENSITIVITY = Study(
    name="sensitivity",
    question="How much do the pressure λ and the threshold θ matter?",
    rows=_sensitivity_rows,
    read=read,
    shown=_SHOWN,
    drawn=("ensemble", "exchanged"),
    power=_POWER,
    claims=(
        Claim("More pressure exchanges more", "CEN supplement, figure on sensitivity", _rises),
        Claim(
            "The result hardly depends on λ within a factor of three", "CEN supplement, figure on sensitivity", _robust
        ),
    ),
)
