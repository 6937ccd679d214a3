"""What a study is: configurations, what is read off each, and the claims that the figures are held against."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosswire.training.config import RunConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crosswire.training.engine.run_folder import RunOf

AGREES, REFUTED, OPEN = "agrees", "does not agree", "cannot be told here"
#: Standard errors that a mean difference must exceed before it counts.
CERTAIN = 2.0

Figures = Mapping[str, float]


@dataclass(frozen=True)
class StudyRow:
    """One configuration of a study, which is trained and scored.

    Attributes:
        name: as it stands in the table.
        config: the run; its seed is replaced by each of the study's.
        teacher: another row, which is trained first with the same seed and is not scored, and what puts the folder of
            its run into this one's configuration; None where nothing stands behind the run.
    """

    name: str
    config: RunConfig
    teacher: tuple[StudyRow, Callable[[Any, Path], RunConfig]] | None = None

    @classmethod
    def varied(cls, name: str, config: RunConfig, **network: Any) -> StudyRow:
        """Return a row with other settings of the network."""
        return cls(name, replace(config, network=replace(config.network, **network)))

    def folder(self, runs: Path, seed: int) -> Path:
        """Return where the run with a seed lies among the runs of the study."""
        return runs / f"{self.name.replace(' ', '-').replace('/', '-')}-{seed}"


@dataclass(frozen=True)
class Computation:
    """A row of a study that nothing is trained for; it takes a moment and is computed whenever it is asked for.

    Attributes:
        name: as it stands in the table.
        compute: returns the figures for a seed.
    """

    name: str
    compute: Callable[[int], dict[str, float]]


@dataclass(frozen=True)
class StudyTable:
    """What was measured.

    Attributes:
        rows: figures by row, one mapping per seed, in the order of the seeds.
    """

    rows: Mapping[str, Sequence[Figures]]

    def values(self, row: str, figure: str) -> list[float]:
        """Return one figure of a row for every seed."""
        return [run[figure] for run in self.rows[row]]

    def mean(self, row: str, figure: str) -> float:
        """Return the mean of a figure over the seeds."""
        return statistics.fmean(self.values(row, figure))

    def spread(self, row: str, figure: str) -> float:
        """Return the sample standard deviation of a figure over the seeds; 0 for a single seed."""
        values = self.values(row, figure)
        return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether a claim was seen.

    Attributes:
        word: `AGREES`, `REFUTED` or `OPEN`.
        evidence: the figures behind it, in words.
    """

    word: str
    evidence: str


@dataclass(frozen=True)
class Claim:
    """A statement of a paper that a study tests.

    Attributes:
        text: the statement.
        source: paper and table.
        judge: decides from what was measured.
    """

    text: str
    source: str
    judge: Callable[[StudyTable], Verdict]


@dataclass(frozen=True)
class Study:
    """Configurations and claims.

    Attributes:
        name: on the command line.
        question: what it asks, in one sentence.
        rows: the configurations and computations, by size: `cpu` or `gpu`.
        read: turns the scores of a run into figures.
        shown: the figures of the printed table, by name, with the heading of each.
        drawn: the figures that are drawn as bars.
        claims: what the figures are held against.
        power: what the size on a CPU can and cannot tell, in one sentence.
        observe: reads further figures off a trained run, if given.
        draw: draws the study from its table and the folder of its runs, if bars do not show it.
    """

    name: str
    question: str
    rows: Callable[[str], Sequence[StudyRow | Computation]]
    read: Callable[[dict[str, Any]], dict[str, float]]
    shown: Mapping[str, str]
    drawn: Sequence[str]
    claims: Sequence[Claim]
    power: str
    observe: Callable[[RunOf[Any, Any]], dict[str, float]] | None = None
    draw: Callable[[StudyTable, Path], Figure] | None = None


def compare(
    table: StudyTable, better: str, worse: str, figure: str, *, least: float = 0.0, unit: float = 100.0
) -> Verdict:
    """Judge that one row exceeds another by more than `least`, from the differences of runs with the same seed.

    Args:
        table: what was measured.
        better: the row that should have more of the figure.
        worse: the other row.
        figure: its name.
        least: difference that must be exceeded, in the figure's own unit.
        unit: factor that brings a difference to points for the text.

    Returns:
        `AGREES` or `REFUTED` where the mean difference lies more than `CERTAIN` standard errors above or below `least`.
    """
    pairs = zip(table.values(better, figure), table.values(worse, figure), strict=True)
    differences = [a - b for a, b in pairs]
    mean, error = statistics.fmean(differences), _standard_error(differences)
    shown = f"± {unit * error:.1f} (standard error)" if math.isfinite(error) else "from a single seed"
    evidence = f"{better} − {worse}: {unit * mean:+.1f} points {shown}, {len(differences)} seeds"
    return Verdict(beyond(differences, least), evidence)


def exceeds(better: str, worse: str, figure: str, *, least: float = 0.0) -> Callable[[StudyTable], Verdict]:
    """Return a judge that one row has more of a figure than another; see `compare`."""
    return partial(compare, better=better, worse=worse, figure=figure, least=least)


def beyond(values: Sequence[float], least: float) -> str:
    """Judge that the mean of some values, one per seed, lies above `least`.

    Returns:
        `AGREES` or `REFUTED` where it lies more than `CERTAIN` standard errors above or below, `OPEN` elsewhere.
    """
    mean = statistics.fmean(values)
    if abs(mean - least) <= CERTAIN * _standard_error(values):
        return OPEN
    return AGREES if mean > least else REFUTED


def _standard_error(values: Sequence[float]) -> float:
    """Return the standard error of a mean; infinite for a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
