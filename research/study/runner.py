"""Running a study: every row with every seed, one after the other; what is finished is never run again."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from tqdm import tqdm

from crosswire.contract.atomic_write import write_json
from crosswire.training.config import ConfigError, RunConfig, same_result
from crosswire.training.engine.checkpoints import LAST
from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import WEIGHTS, read_config, read_run
from crosswire.training.models.count import parameters
from crosswire.training.tasks.registry import ScoreOptions, task_of
from research.study.study import Computation, Figures, Study, StudyRow, StudyTable

FIGURES = "figures.json"


class Unfinished(Exception):
    """The time is over before every run was; what is done is kept."""


def run_study(
    study: Study, size: str, seeds: int, folder: Path, *, minutes: float | None = None, progress: bool = True
) -> StudyTable:
    """Train and score, or compute, every row of a study with every seed.

    Args:
        study: which.
        size: `cpu` or `gpu`.
        seeds: runs per row; their seeds are 0, 1, ...
        folder: holds a run folder per row and seed; what is finished there is not run again.
        minutes: begin no further run after so many.
        progress: show a bar.

    Raises:
        Unfinished: the time is over.
        ConfigError: a folder holds a run of another configuration.
    """
    rows = study.rows(size)
    began = time.monotonic()
    found: dict[str, list[Figures]] = {row.name: [] for row in rows}
    with tqdm(total=len(rows) * seeds, disable=not progress, unit="run") as bar:
        for seed in range(seeds):
            for row in rows:
                bar.set_description(f"{row.name}, seed {seed}")
                late = minutes is not None and time.monotonic() - began > 60 * minutes
                found[row.name].append(_figures(study, row, seed, folder, late=late))
                bar.update()
    return StudyTable(found)


def _figures(study: Study, row: StudyRow | Computation, seed: int, folder: Path, *, late: bool) -> Figures:
    """Return the figures of a row for one seed, whose run is trained and scored where it was not yet."""
    if isinstance(row, Computation):
        return row.compute(seed)
    config: RunConfig = dataclasses.replace(row.config, seed=seed)
    if row.teacher is not None:
        teacher, told = row.teacher
        config = told(config, teacher.folder(folder, seed))
    place = row.folder(folder, seed)
    record = place / FIGURES
    if record.is_file():
        if not same_result(read_config(place), config):
            raise ConfigError(f"{place} holds a run of another configuration; remove it or choose another --runs")
        known: dict[str, float] = json.loads(record.read_text(encoding="utf-8"))
        return known
    if late:
        raise Unfinished
    if row.teacher is not None and not (row.teacher[0].folder(folder, seed) / WEIGHTS).is_file():
        _train(row.teacher[0], seed, folder)
    fit(config, place, resume=True, progress=False)
    run = read_run(place)
    figures = study.read(task_of(config).score(run, ScoreOptions(progress=False)))
    if study.observe:
        figures |= study.observe(run)
    figures["parameters"] = float(parameters(run.network))
    write_json(record, figures)
    for spent in (LAST, WEIGHTS):
        (place / spent).unlink(missing_ok=True)
    return figures


def _train(teacher: StudyRow, seed: int, folder: Path) -> None:
    """Train the run that others learn from, and keep its weights."""
    fit(dataclasses.replace(teacher.config, seed=seed), teacher.folder(folder, seed), resume=True, progress=False)
