"""`docs/coverage.md`: every table, figure and system of the papers with its commands and its state."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.pages.results import latest
from research.coverage.cen import JOURNAL, NEURIPS, RESPONSE
from research.coverage.gmf import GMF
from research.coverage.row import Paper, Row, commands_of, state_of
from research.study.study import AGREES, OPEN, REFUTED

PAPERS: tuple[Paper, ...] = (RESPONSE, NEURIPS, JOURNAL, GMF)
_HEAD = """# What of the papers is here

Every table, figure and system, the command that makes it, and what is known of it. Built from the presets, the studies
and the measured results by `python -m benchmarks.pages`. A preset of a data set on disk is given it by `--data DIR`;
every preset is trained at a small size by `make soak`, one of each kind by `make test`. Verdicts of studies with their
evidence: [results.md](results.md). What of a row is missing stands there as *not here*.
"""


def verdicts(results: Path) -> dict[str, dict[str, int]]:
    """Return how often the claims of each measured study came to each verdict.

    Args:
        results: folder with what was measured.
    """
    found = {}
    for record in latest(results).values():
        if record.get("study"):
            counted = Counter(one["verdict"] for one in record["verdicts"])
            found[record["study"]] = {word: counted[word] for word in (AGREES, REFUTED, OPEN) if counted[word]}
    return found


def page(results: Path) -> str:
    """Return the page.

    Args:
        results: folder with what was measured.
    """
    measured = verdicts(results)
    parts = [_HEAD]
    for paper in PAPERS:
        parts += [f"\n## {paper.title}\n\n| place | what | commands | presets | state |\n|---|---|---|---|---|\n"]
        parts += [_line(row, measured) for row in paper.rows]
    return "".join(parts)


def _line(row: Row, measured: dict[str, dict[str, int]]) -> str:
    """Return a row of the table."""
    commands = "<br>".join(f"`{command}`" for command in commands_of(row))
    count = len(row.configs)
    presets = "–" if not count else f"{count}: {', '.join(f'`{pattern}`' for pattern in row.presets)}"
    return f"| {row.place} | {row.what} | {commands} | {presets} | {state_of(row, measured)} |\n"
