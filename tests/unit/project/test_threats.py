"""The threat table of SECURITY.md: every row names tests, and these exist."""

from __future__ import annotations

import ast
import re

from tests.support.paths import ROOT


def rows() -> list[str]:
    """Return the rows of the table."""
    lines = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("| who | tries | held by |")[2].splitlines()
    return [line for line in lines[2:] if line.startswith("|")]


def exists(test: str) -> bool:
    """Say whether there is a test, by its path and name."""
    path, _, name = test.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)


def test_every_threat_has_a_test_that_exists() -> None:
    assert len(rows()) >= 20
    for row in rows():
        named = re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition("|")[2])
        assert named and all(one.startswith("tests/") for one in named), row
        assert [one for one in named if not exists(one)] == []
    assert not exists("tests/unit/project/test_threats.py::test_that_there_is_not")
