"""Studies: runs are kept and never repeated, verdicts follow from the figures, every row can be built."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from crosswire.training.config import ConfigError
from crosswire.training.engine.run_folder import WEIGHTS
from crosswire.training.tasks.registry import network_family_of
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from research.__main__ import main
from research.study import STUDIES, study
from research.study.record import as_json, as_text, draw
from research.study.runner import FIGURES, Unfinished, run_study
from research.study.segmentation import read
from research.study.study import AGREES, OPEN, REFUTED, Claim, Study, StudyRow, StudyTable, compare


def table(**values: list[float]) -> StudyTable:
    """Return a table of one figure per row and seed."""
    return StudyTable({row: [{"score": value} for value in of] for row, of in values.items()})


def test_a_difference_counts_only_beyond_the_spread_of_the_seeds() -> None:
    assert compare(table(a=[0.5, 0.6, 0.7], b=[0.4, 0.5, 0.59]), "a", "b", "score").word == AGREES
    assert compare(table(a=[0.4, 0.5, 0.59], b=[0.5, 0.6, 0.7]), "a", "b", "score").word == REFUTED
    assert compare(table(a=[0.5, 0.4, 0.7], b=[0.4, 0.6, 0.6]), "a", "b", "score").word == OPEN
    assert compare(table(a=[0.9], b=[0.1]), "a", "b", "score").word == OPEN, "one seed tells nothing"


def test_a_difference_is_taken_between_runs_of_the_same_seed() -> None:
    verdict = compare(table(a=[0.2, 0.5, 0.8], b=[0.1, 0.4, 0.71]), "a", "b", "score")
    assert verdict.word == AGREES and "+9.7 points" in verdict.evidence and "3 seeds" in verdict.evidence


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("size", ["cpu", "gpu"])
def test_every_row_of_a_study_can_be_built_and_every_claim_names_rows_that_exist(name: str, size: str) -> None:
    chosen = study(name)
    rows = chosen.rows(size)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names) > 1
    trained = [row for row in rows if isinstance(row, StudyRow)]
    for row in trained if size == "cpu" else trained[:1]:
        network_family_of(row.config).build_network(row.config.network)
    figures = [*chosen.shown, "parameters"]
    random = StudyTable(
        {row: [dict.fromkeys(figures, 0.1 * i + 0.01 * s) for s in range(3)] for i, row in enumerate(names)}
    )
    for claim in chosen.claims:
        assert claim.judge(random).word in (AGREES, REFUTED, OPEN)


@pytest.fixture
def small(tiny: SegmentationConfig) -> Study:
    """Return a study of two runs that take a moment."""
    other = dataclasses.replace(tiny, network=dataclasses.replace(tiny.network, fusion="none"))
    claim = Claim("the first is better", "CEN", lambda table: compare(table, "first", "second", "ensemble"))
    rows = [StudyRow("first", tiny), StudyRow("second", other)]
    return Study("small", "Which?", lambda _: rows, read, {"ensemble": "mIoU"}, ("ensemble",), (claim,), "none")


def test_a_study_that_ran_out_of_time_goes_on_where_it_was(small: Study, tmp_path: Path) -> None:
    with pytest.raises(Unfinished):
        run_study(small, "cpu", 1, tmp_path, minutes=0, progress=False)
    first = run_study(small, "cpu", 1, tmp_path, progress=False)
    records = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"*/{FIGURES}")}
    again = run_study(small, "cpu", 1, tmp_path, minutes=0, progress=False)
    assert len(records) == 2 and again == first
    assert records == {path: path.stat().st_mtime_ns for path in records}
    assert 0 <= first.mean("first", "ensemble") <= 1 and first.mean("first", "parameters") > 1000

    record = as_json(small, first, "cpu", 1, "command")
    assert record["rows"][0]["figures"]["ensemble"]["values"] == first.values("first", "ensemble")
    assert record["verdicts"][0]["verdict"] == OPEN and record["hardware"]["cores"]
    assert "CANNOT BE TOLD HERE: the first is better (CEN)" in as_text(small, first)
    draw(tmp_path / "study.png", small, first, tmp_path)
    assert (tmp_path / "study.png").stat().st_size > 1000


def test_a_folder_with_other_runs_is_refused(small: Study, tmp_path: Path) -> None:
    run_study(small, "cpu", 1, tmp_path, progress=False)
    rows = [StudyRow(row.name, dataclasses.replace(row.config, steps=3)) for row in small.rows("cpu")]  # type: ignore[type-var]
    with pytest.raises(ConfigError, match="another configuration"):
        run_study(dataclasses.replace(small, rows=lambda _: rows), "cpu", 1, tmp_path, progress=False)


@pytest.mark.parametrize("arguments", [["study", "exchange", "--seeds", "0"], ["study", "nothing"]])
def test_what_cannot_be_studied_is_refused_in_words(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and ("1 to 100" in (text := capsys.readouterr().err) or "choose from" in text)


def test_results_are_json_that_names_command_and_date(small: Study) -> None:
    values = {"first": [0.5, 0.6], "second": [0.4, 0.4]}
    figures = StudyTable({row: [{"ensemble": value, "parameters": 1.0} for value in of] for row, of in values.items()})
    record = json.loads(json.dumps(as_json(small, figures, "cpu", 2, "python -m research study small")))
    assert record["command"] == "python -m research study small" and len(record["date"]) == 10
    assert record["rows"][1]["figures"]["ensemble"] == {"mean": 0.4, "std": 0.0, "values": [0.4, 0.4]}


def test_a_row_with_a_teacher_is_told_of_it_and_the_teacher_is_kept(tiny: SegmentationConfig, tmp_path: Path) -> None:
    told: list[Path] = []

    def begun_from(config: SegmentationConfig, teacher: Path) -> SegmentationConfig:
        told.append(teacher)
        return dataclasses.replace(config, init=str(teacher))

    teacher = StudyRow("taught", dataclasses.replace(tiny, steps=3, val_every=3))
    rows = [StudyRow("alone", tiny), StudyRow("learner", tiny, (teacher, begun_from))]
    pair = Study("pair", "Which?", lambda _: rows, read, {"ensemble": "mIoU"}, ("ensemble",), (), "none")
    found = run_study(pair, "cpu", 1, tmp_path, progress=False)
    assert list(found.rows) == ["alone", "learner"] and set(told) == {tmp_path / "taught-0"}
    assert (told[0] / WEIGHTS).is_file() and not (tmp_path / "learner-0" / WEIGHTS).exists()
    before = (told[0] / WEIGHTS).stat().st_mtime_ns
    assert run_study(pair, "cpu", 1, tmp_path, minutes=0, progress=False) == found
    assert (told[0] / WEIGHTS).stat().st_mtime_ns == before, "trained once"
