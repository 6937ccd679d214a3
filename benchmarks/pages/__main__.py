"""`python -m benchmarks.pages`: build the pages in `docs` that are made of results, and the trend of the ratios."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks._record import RESULTS
from benchmarks.pages import coverage, results, trend

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results.md"
CLAIMS = ROOT / "docs" / "claims.md"
COVERAGE = ROOT / "docs" / "coverage.md"
BEGIN, END = "<!-- claims: built by python -m benchmarks.pages -->\n", "<!-- end of claims -->\n"


def with_claims(text: str, claims: str) -> str:
    """Return a page's text with its table of claims replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + claims + END + after


def main() -> None:
    """Build every page."""
    argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__).parse_args()
    PAGE.write_text(results.page(RESULTS), encoding="utf-8")
    CLAIMS.write_text(with_claims(CLAIMS.read_text(encoding="utf-8"), results.short(RESULTS)), encoding="utf-8")
    COVERAGE.write_text(coverage.page(RESULTS), encoding="utf-8")
    trend.draw(RESULTS, RESULTS / "trend.png")
    written = (PAGE, CLAIMS, COVERAGE, RESULTS / "trend.png")
    print(f"written: {', '.join(str(path.relative_to(ROOT)) for path in written)}")


if __name__ == "__main__":
    main()
