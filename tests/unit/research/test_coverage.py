"""The coverage of the papers: nothing is left out, and every row has a command that runs."""

from __future__ import annotations

import importlib.util
import re
import shlex
from fnmatch import fnmatchcase

import pytest

from benchmarks._record import RESULTS
from benchmarks.pages.__main__ import COVERAGE
from benchmarks.pages.coverage import PAPERS, page
from crosswire.training.__main__ import main as training
from crosswire.training.tasks.presets import PRESETS
from research.__main__ import main as research
from research.coverage.row import Row, commands_of
from research.study import STUDIES

ROWS = [row for paper in PAPERS for row in paper.rows]
#: How many tables and figures each document has.
TABLES = {"CEN, NeurIPS 2020, with its supplement": (9, 13), "CEN, journal paper": (11, 11), "GMF": (7, 14)}
#: Presets that are no row of a paper but for users' own data and a first try.
OWN = ("rooms-quick*", "tabletop-*", "fine-tune*", "rooms-cen")
COMMANDS = sorted({command for row in ROWS for command in row.commands})


def numbered(place: str) -> set[tuple[str, int]]:
    """Return the tables and figures that a place names: `Tables 4 and 6`, `Figures 8 to 10`, `Figure 7, Theorem 1`."""
    found = set()
    for kind, numbers in re.findall(r"(Table|Figure)s? ((?:\d+(?:, | and | to )?)+)", place):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", numbers):
            found |= {(kind, number) for number in range(int(first), int(last or first) + 1)}
    return found


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if paper.title in TABLES], ids=lambda paper: paper.title)
def test_every_table_and_figure_of_a_paper_has_a_row(paper: object) -> None:
    tables, figures = TABLES[paper.title]  # type: ignore[attr-defined]
    wanted = {("Table", one + 1) for one in range(tables)} | {("Figure", one + 1) for one in range(figures)}
    assert set().union(*(numbered(row.place) for row in paper.rows)) == wanted  # type: ignore[attr-defined]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.place)
def test_every_row_has_a_command_and_all_that_it_names_exists(row: Row) -> None:
    assert commands_of(row), "a row without a command is not covered"
    assert row.configs or not row.presets
    assert [name for name in row.studies if name not in STUDIES] == []


def test_every_preset_and_every_study_stands_in_a_row() -> None:
    patterns = [*OWN, *(pattern for row in ROWS for pattern in row.presets)]
    assert [name for name in PRESETS if not any(fnmatchcase(name, pattern) for pattern in patterns)] == []
    assert set(STUDIES) == {name for row in ROWS for name in row.studies}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_rows_run(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = shlex.split(command.removeprefix("python -m "))
    if program.startswith("benchmarks."):
        assert importlib.util.find_spec(program), command
    elif words[0] in ("count", "presets"):
        assert training(words) == 0 and capsys.readouterr().out
    else:  # they take a run, or minutes: `test_report.py`, `test_table.py`, `test_grouping.py`
        with pytest.raises(SystemExit) as shown:
            (research if program == "research" else training)([*words, "--help"])
        assert shown.value.code == 0


def test_the_page_is_built_from_what_there_is() -> None:
    assert COVERAGE.read_text(encoding="utf-8") == page(RESULTS), "build it again: python -m benchmarks.pages"
