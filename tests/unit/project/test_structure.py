"""The structure still reads: no file and no function grows beyond what fits in one's head."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

FOLDERS = (
    "contract",
    "media",
    "crosswire",
    "training",
    "export",
    "serving",
    "clients",
    "offline",
    "research",
    "demo",
    "benchmarks",
    "tests",
)
LONGEST_FILE, LONGEST_FUNCTION, WIDEST_FOLDER = 400, 70, 12


def sources() -> list[Path]:
    """Return all Python files of the project."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 300
    return files


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield name and lines of every function of a file, its decorators not counted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_no_file_is_longer_than_400_lines() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE} == {}


def test_no_function_is_longer_than_70_lines() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{name}": count
        for path in sources()
        for name, count in functions(path)
        if count > LONGEST_FUNCTION
    }
    assert long == {}


def test_no_folder_holds_more_than_12_unlike_files() -> None:
    """Files that every package or folder of tests has are alike and not counted."""
    unlike = [path for path in sources() if path.stem not in ("__init__", "__main__", "conftest")]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in unlike)
    assert {folder: count for folder, count in counts.items() if count > WIDEST_FOLDER} == {}
