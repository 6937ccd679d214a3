"""Who may touch what: the import law of the rooms, by their source text and by importing them with the rest blocked."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ROOMS = ("contract", "media", "training", "export", "serving", "clients", "offline")
SHOWROOMS = ("demo", "benchmarks", "research")

#: Per room, the rooms that it may import beside itself.
ALLOWED = {
    "contract": (),
    "media": ("contract",),
    "training": ("contract", "media"),
    "export": ("contract", "media", "training"),
    "serving": ("contract", "media"),
    "clients": ("contract", "media"),
    "offline": ("contract", "media", "serving", "clients"),
    "research": ROOMS,
    "demo": ROOMS,
    "benchmarks": (*ROOMS, "demo", "research"),
}
#: What batches without a server may take from it: exported networks and the steps that run them.
OFFLINE_FROM_SERVING = ("crosswire.serving.repository", "crosswire.serving.steps")
#: Per room, libraries that it must never need.
BANNED = {
    "serving": ("torch", "lightning", "onnx", "onnxscript", "torchmetrics"),
    "clients": ("torch", "lightning", "onnx", "onnxruntime", "pytriton", "starlette", "uvicorn"),
    "media": ("torch", "lightning", "onnx", "onnxruntime", "scipy"),
    "offline": ("torch", "lightning", "onnx", "pytriton", "starlette", "uvicorn", "ray", "pyarrow", "webdataset"),
    "training/datasets/rooms": ("torch", "PIL", "scipy"),
    "training/datasets/tabletops": ("torch", "PIL", "scipy"),
    "training/datasets/sensors": ("torch", "PIL", "scipy"),
    "training/datasets/events": ("torch", "PIL", "scipy"),
}
STANDARD_LIBRARY_ONLY = "contract"


def imports(path: Path) -> Iterator[str]:
    """Yield the names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """Return the room that a module of ours lies in, or the outermost package of another one."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "crosswire" else first


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
    others = {*ROOMS, *SHOWROOMS, "tests"} - {room, *ALLOWED[room]}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(room)
        for name in imports(path)
        if room_of(name) in others
    ]
    assert wrong == []


def test_a_module_of_a_room_has_one_name() -> None:
    files = [path for folder in (*ALLOWED, "crosswire", "tests") for path in sources(folder)]
    bare = [f"{path}: {name}" for path in files for name in imports(path) if name.split(".")[0] in ROOMS]
    assert bare == [], "write crosswire.ROOM: the same file under two names is two modules"


def test_batches_without_a_server_take_only_networks_and_steps_from_it() -> None:
    names = {name for path in sources("offline") for name in imports(path) if room_of(name) == "serving"}
    assert names
    assert [name for name in names if not any(within(name, one) for one in OFFLINE_FROM_SERVING)] == []


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
    names = {name for path in sources("contract") for name in imports(path)}
    foreign = {name for name in names if not within(name, "crosswire.contract") and name != "crosswire.ROOT"}
    assert {name.split(".")[0] for name in foreign} <= set(sys.stdlib_module_names) | {"__future__"}


BLOCK = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.removeprefix("crosswire.").split(".")[0] in {blocked!r}:
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
        (("crosswire.serving",), (*BANNED["serving"], "training", "export", "clients", "offline", *SHOWROOMS, "tests")),
        (("crosswire.clients",), (*BANNED["clients"], "training", "export", "serving", "offline", *SHOWROOMS, "tests")),
        (("crosswire.contract",), ("numpy", "torch", "onnx", "media", "training", "serving", "clients")),
        (
            ("crosswire.media",),
            (*BANNED["media"], "av", "training", "export", "serving", "clients", *SHOWROOMS, "tests"),
        ),
        (
            (
                "crosswire.training.datasets.rooms",
                "crosswire.training.datasets.tabletops",
                "crosswire.training.datasets.events",
            ),
            ("torch", "PIL", "scipy", "export", "serving", "clients"),
        ),
        (
            ("crosswire.export.adopt",),
            (
                "torch",
                "lightning",
                "onnxscript",
                "torchmetrics",
                "scipy",
                "av",
                "serving",
                "clients",
                *SHOWROOMS,
                "tests",
            ),
        ),
        (("crosswire.offline",), (*BANNED["offline"], "training", "export", *SHOWROOMS, "tests")),
        (("demo.__main__",), ("torch", "lightning", "onnx", "onnxscript")),
    ],
    ids=["serving", "clients", "contract", "media", "procedural", "adopt", "offline", "demo"],
)
def test_a_room_imports_where_the_rest_is_blocked(packages: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    code = BLOCK.format(blocked=set(blocked), packages=packages)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
