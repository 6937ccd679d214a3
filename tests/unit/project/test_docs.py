"""What the pages about the project name is there: paths in backticks, and pages that they link to."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts),
)
#: Pages whose paths in backticks are promises; the others also show what commands write, or what was.
NAMING = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md", "docs/guides/extend.md")
#: What commands make.
MADE = ("demo/out", "docs/reference")


def folders() -> set[str]:
    """Return the folders of the project's top level."""
    return {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("runs", "build")}


def prose(page: str) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def paths(page: str) -> list[str]:
    """Return everything in backticks that begins with a folder of the top level."""
    marked = re.findall(r"`([\w.][\w./-]*/[\w./*-]*)`", prose(page))
    return [one for one in marked if one.split("/")[0] in folders()]


@pytest.mark.parametrize("page", NAMING)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = [one for one in paths(page) if not one.startswith(MADE)]
    assert named, f"{page} names no path: has its markup changed?"
    assert [one for one in named if not any(ROOT.glob(one.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_that_a_page_links_to_exists(page: str) -> None:
    linked = [one for one in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose(page)) if "://" not in one]
    assert [one for one in linked if not ((ROOT / page).parent / one).exists()] == []
