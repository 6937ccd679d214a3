"""Who may touch what: the import law of the rooms, by their source text and by importing them with the rest blocked."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("training", "export", "serving", "clients")
SHOWROOMS = ("demo", "benchmarks")

#: Per room, the modules of ours that it may import beside itself.
ALLOWED = {
    "training": (),
    "export": ("training",),
    "serving": ("export.contract",),
    "clients": (),
    "demo": ROOMS,
    "benchmarks": (*ROOMS, "demo"),
}
#: Per room, libraries that it must never need.
BANNED = {
    "serving": ("torch", "lightning", "onnx", "onnxscript", "torchmetrics"),
    "clients": ("torch", "lightning", "onnx", "onnxruntime", "pytriton", "starlette", "uvicorn"),
    "training/datasets/rooms": ("torch", "PIL", "scipy"),
    "training/datasets/events": ("torch", "PIL", "scipy"),
}
STANDARD_LIBRARY_ONLY = "export/contract"


def imports(path: Path) -> Iterator[str]:
    """Yield the names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(room: str) -> list[Path]:
    """Return the Python files of a room."""
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} holds no Python"
    return files


def within(name: str, module: str) -> bool:
    """Say whether a dotted name is a module or lies in it."""
    return name == module or name.startswith(f"{module}.")


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_the_rooms_that_it_may(room: str) -> None:
    others = {*ROOMS, *SHOWROOMS, "tests"} - {room}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(room)
        for name in imports(path)
        if name.split(".")[0] in others and not any(within(name, allowed) for allowed in ALLOWED[room])
    ]
    assert wrong == []


@pytest.mark.parametrize("room", BANNED)
def test_a_room_never_names_a_library_that_it_must_not_need(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(room)
        for name in imports(path)
        if any(within(name, banned) for banned in BANNED[room])
    ]
    assert wrong == []


def test_the_contract_needs_the_standard_library_alone() -> None:
    names = {name for path in sources(STANDARD_LIBRARY_ONLY) for name in imports(path)}
    foreign = {name for name in names if not within(name, STANDARD_LIBRARY_ONLY.replace("/", "."))}
    assert {name.split(".")[0] for name in foreign} <= set(sys.stdlib_module_names) | {"__future__"}


BLOCK = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is blocked in this test")

sys.meta_path.insert(0, Blocker())
for package in {packages!r}:
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), package + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""


@pytest.mark.parametrize(
    ("packages", "blocked"),
    [
        (("serving",), (*BANNED["serving"], "training", "clients", "demo", "benchmarks", "tests")),
        (("clients",), (*BANNED["clients"], "training", "export", "serving", "demo", "benchmarks", "tests")),
        (("export.contract",), ("numpy", "torch", "onnx", "training", "serving", "clients")),
        (
            ("training.datasets.rooms", "training.datasets.events"),
            ("torch", "PIL", "scipy", "export", "serving", "clients"),
        ),
        (("demo.__main__",), ("torch", "lightning", "onnx", "onnxscript")),
    ],
    ids=["serving", "clients", "contract", "procedural", "demo"],
)
def test_a_room_imports_where_the_rest_is_blocked(packages: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    code = BLOCK.format(blocked=set(blocked), packages=packages)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
