"""The study of the theory: Theorem 1 and Corollary 1 by computation, and the way of γ in short trainings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crosswire.training.engine.gamma_log import read_gammas
from crosswire.training.engine.run_folder import Run, read_config
from crosswire.training.models import exchanging_norms
from crosswire.training.models.exchange import sub_part
from crosswire.training.report.factors import draw_paths, eighth
from crosswire.training.report.style import GREY, INK, colour, tidy
from crosswire.training.tasks.segmentation.data import frames, train_loader
from crosswire.training.tasks.segmentation.presets import ABLATIONS
from research.study.segmentation import base, read
from research.study.study import AGREES, OPEN, REFUTED, Claim, Computation, Study, StudyRow, StudyTable, Verdict, beyond
from research.study.theory.corollary import changes
from research.study.theory.theorem import DRAWS, attraction, drawn, gradients, observed
from research.study.theory.trajectories import RECOVERED, fates, paths

RATIOS = (0.1, 0.5, 1.0, 1.645, 2.0, 3.0)
_ALONE, _EXCHANGE = "trained, no exchange", "trained, exchange"
#: Rows of the corollary: where the change of the output is looked for.
_REPLACED = {
    "inside": "replaced channel, inside",
    "border": "replaced channel, at the border",
    "other": "replaced channel, shared convolution",
}
#: Batches of training frames whose gradients are looked at.
_BATCHES = 6
#: Standard errors of a count that a Monte-Carlo trial may be off, rounding error of a convolution, and what counts as
#: equal between probabilities.
_SURE, _ROUNDING, _EQUAL = 4.0, 1e-4, 0.05
#: What "nearly all" and "hardly any" mean.
_NEARLY, _HARDLY = 0.9, 0.1


def _ratio_row(ratio: float) -> str:
    """Return the name of the row of one λ/g."""
    return f"λ/g = {ratio:g}"


def rows(size: str) -> list[StudyRow | Computation]:
    """Return the trials of Theorem 1, those of Corollary 1, and a training without and with exchange."""
    config = base(size)
    alone = dataclasses.replace(config.network, **ABLATIONS["su-half"])
    return [
        *(Computation(_ratio_row(ratio), partial(drawn, ratio)) for ratio in RATIOS),
        *(Computation(name, partial(_change, place)) for place, name in _REPLACED.items()),
        StudyRow(_ALONE, dataclasses.replace(config, network=alone)),
        StudyRow(_EXCHANGE, config),
    ]


def _change(place: str, seed: int) -> dict[str, float]:
    """Return the largest change in one place."""
    return {"change": changes(seed)[place]}


def observe(run: Run) -> dict[str, float]:
    """Return what became of the run's γ and, where it exchanges none, how the theorem fits its gradients."""
    config = run.config
    figures = fates(paths(run), config.network.threshold)
    if exchanging_norms(run.network):
        return figures
    batches = islice(train_loader(config, frames(config.data, "train"), lambda: 0), _BATCHES)
    found = gradients(run.network, config.network, batches, config.optimiser.stream_loss)
    return figures | observed(*found, pressure=config.optimiser.sparsity, threshold=config.network.threshold)


def _drawn_as(figure: str) -> Callable[[StudyTable], Verdict]:
    """Return a judge that the Monte-Carlo trials fall as a figure says."""

    def judge(table: StudyTable) -> Verdict:
        off, parts = 0.0, []
        for row in map(_ratio_row, RATIOS):
            said, seen = table.mean(row, figure), table.mean(row, "seen")
            error = math.sqrt(max(said * (1 - said), 1e-9) / (DRAWS * len(table.rows[row])))
            off = max(off, abs(seen - said) / error)
            parts.append(f"{seen:.4f} for {said:.4f}")
        text = f"{', '.join(parts)} at λ/g = {', '.join(f'{ratio:g}' for ratio in RATIOS)}"
        return Verdict(AGREES if off <= _SURE else REFUTED, f"{text}; at most {off:.1f} standard errors off")

    return judge


def _in_a_network(table: StudyTable) -> Verdict:
    """Judge that the share of γ where 0 attracts is what the theorem says of them."""
    pairs = zip(table.values(_ALONE, "seen"), table.values(_ALONE, "predicted"), strict=True)
    away = [abs(seen - said) for seen, said in pairs]
    seen, said, spread = (table.mean(_ALONE, figure) for figure in ("seen", "predicted", "spread"))
    text = (
        f"0 attracts {seen:.0%} of the γ at or below θ, predicted {said:.0%}; ∂L/∂γ spreads {spread:.2g} times as wide "
        f"as independent pixels would have it, {len(away)} seeds"
    )
    return Verdict(beyond([_EQUAL - gap for gap in away], 0.0), text)


def _stays(row: str) -> Callable[[StudyTable], Verdict]:
    """Return a judge that nearly all γ that came to θ or below end there."""
    return lambda table: _judge_fate(table, row, beyond(table.values(row, "stayed"), _NEARLY))


def _hardly_recovers(row: str) -> Callable[[StudyTable], Verdict]:
    """Return a judge that hardly any γ that came to θ or below rises far above it again."""
    return lambda table: _judge_fate(
        table, row, beyond([1 - share for share in table.values(row, "recovered")], 1 - _HARDLY)
    )


def _judge_fate(table: StudyTable, row: str, word: str) -> Verdict:
    """Return a verdict on what became of the γ of a training; an open one where none came near zero."""
    reached, stayed, recovered = (table.mean(row, figure) for figure in ("reached", "stayed", "recovered"))
    text = (
        f"{reached:.0%} of γ̂ came to θ or below; of these {stayed:.0%} ended there and {recovered:.1%} rose above "
        f"{RECOVERED}θ, {len(table.rows[row])} seeds"
    )
    return Verdict(word if min(table.values(row, "reached")) > 0 else OPEN, text)


def _unchanged(place: str) -> Callable[[StudyTable], Verdict]:
    """Return a judge that the output does not change in a place."""

    def judge(table: StudyTable) -> Verdict:
        most = max(table.values(_REPLACED[place], "change"))
        return Verdict(
            AGREES if most < _ROUNDING else REFUTED, f"largest change {most:.1g} standard deviations of the output"
        )

    return judge


def _needs_unshared(table: StudyTable) -> Verdict:
    """Judge that the other stream changes where it shares the convolution."""
    unchanged = _unchanged("other")(table)
    return Verdict(REFUTED if unchanged.word == AGREES else AGREES, f"in the other stream {unchanged.evidence}")


def draw(table: StudyTable, runs: Path) -> Figure:
    """Draw the theorem with its trials, and the way of γ without and with exchange."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_theorem(left, table)
    trained = [row for row in rows("cpu") if isinstance(row, StudyRow)]
    for axes, row in zip((middle, right), trained, strict=True):
        _draw_ways(axes, row.folder(runs, 0), row.name)
    return figure


def _draw_theorem(axes: Axes, table: StudyTable) -> None:
    """Draw the probability against λ/g, with the trials."""
    fine = [index * RATIOS[-1] / 100 for index in range(101)]
    axes.plot(fine, [attraction(ratio) for ratio in fine], color=INK, label="erf(λ / (g√2))")
    names = [_ratio_row(ratio) for ratio in RATIOS]
    axes.plot(RATIOS, [table.mean(name, "seen") for name in names], "o", color=colour(0), label="drawn")
    axes.plot(RATIOS, [table.mean(name, "l1") for name in names], "--", color=GREY, label="g as the sum of moduli")
    axes.legend(frameon=False, fontsize=8)
    tidy(axes, "Theorem 1: γ = 0 attracts", "λ/g", "probability")


def _draw_ways(axes: Axes, folder: Path, name: str) -> None:
    """Draw |γ| of one layer and stream of a run."""
    log = read_gammas(folder)
    assert log is not None
    layer = eighth(list(log.factors))
    streams, channels = log.factors[layer].shape[1:]
    ways = log.sizes(layer, 0, sub_part(channels, 0, streams))
    threshold = read_config(folder).network.threshold
    gone = ways <= threshold
    draw_paths(axes, log, ways, gone[-1], colour(0))
    axes.axhline(threshold, color=INK, linewidth=0.9, linestyle="--")
    axes.set_ylim(bottom=0)
    tidy(axes, f"{name}: {int(gone[-1].sum())} of {ways.shape[1]} end at or below θ", "optimiser step", "|γ|")


THEORY = Study(
    name="theory",
    question="Does γ = 0 attract as Theorem 1 says, and is a channel with γ = 0 free to be replaced?",
    rows=rows,
    read=read,
    observe=observe,
    draw=draw,
    shown={
        "predicted": "predicted",
        "l1": "with moduli",
        "seen": "seen",
        "spread": "spread of ∂L/∂γ",
        "reached": "came under θ",
        "stayed": "stayed there",
        "recovered": "recovered",
        "change": "change",
    },
    drawn=(),
    power=(
        f"Theorem and corollary are computed ({DRAWS:,} draws per λ/g and seed; one layer of two streams). Size cpu of "
        "the trainings: a narrow network, 64x80 pixels and a few hundred steps, γ from 0 to 1 at the beginning; how γ "
        "fares in weeks of training it cannot tell."
    ),
    claims=(
        Claim(
            "γ = 0 attracts with probability 2Φ(λ/‖g‖₂) − 1 where activations are independent and normal",
            "CEN journal, Theorem 1",
            _drawn_as("predicted"),
        ),
        Claim(
            "The modulus of the gradient there may be read as the sum of its moduli",
            "CEN, Theorem 1",
            _drawn_as("l1"),
        ),
        Claim(
            f"The probability holds for the activations of a network in training (within {100 * _EQUAL:g} points)",
            "CEN, Theorem 1",
            _in_a_network,
        ),
        *(
            claim
            for words, row in (("without exchange", _ALONE), ("with exchange", _EXCHANGE))
            for claim in (
                Claim(
                    f"{_NEARLY:.0%} or more of the γ that come to θ end there, {words}",
                    "CEN, section 3.3",
                    _stays(row),
                ),
                Claim(
                    f"A γ close to zero hardly recovers, {words}: at most {_HARDLY:.0%} rise above {RECOVERED}θ",
                    "CEN journal, Figure 8",
                    _hardly_recovers(row),
                ),
            )
        ),
        Claim(
            "A channel with γ = 0 is replaced without a trace once its constant is in the next bias",
            "CEN, Corollary 1",
            _unchanged("inside"),
        ),
        Claim("So it is at zero-padded borders, as the proof has it", "CEN, Corollary 1", _unchanged("border")),
        Claim("It needs convolutions that are not shared", "CEN, Corollary 1", _needs_unshared),
    ),
)
