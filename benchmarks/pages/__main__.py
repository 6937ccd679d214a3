"""`python -m benchmarks.pages`: build `docs/results.md`, the short form in the README, and the trend of the ratios."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks._record import RESULTS
from benchmarks.pages import results, trend

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- claims: built by python -m benchmarks.pages -->\n", "<!-- end of claims -->\n"


def with_claims(readme: str, claims: str) -> str:
    """Return the README's text with its table of claims replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + claims + END + after


def main() -> None:
    """Build every page."""
    argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__).parse_args()
    PAGE.write_text(results.page(RESULTS), encoding="utf-8")
    README.write_text(with_claims(README.read_text(encoding="utf-8"), results.short(RESULTS)), encoding="utf-8")
    trend.draw(RESULTS, RESULTS / "trend.png")
    print(f"written: {PAGE.relative_to(ROOT)}, README.md, {(RESULTS / 'trend.png').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
