"""What `clients` promises by name, and what it must not need."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from typing import get_type_hints

import pytest

from crosswire import ROOT, clients

BLOCKED_IMPORTS = textwrap.dedent("""
    import importlib, pkgutil, sys

    BANNED = {"torch", "lightning", "onnx", "onnxruntime", "pytriton", "tensorrt", "starlette", "uvicorn",
              "training", "export", "serving", "demo", "benchmarks", "research", "tests"}

    class Block:
        def find_spec(self, name, path=None, target=None):
            if name.removeprefix("crosswire.").partition(".")[0] in BANNED:
                raise ImportError(f"clients asked for {name}")

    sys.meta_path.insert(0, Block())
    from crosswire import clients
    names = [module.name for module in pkgutil.walk_packages(clients.__path__, "crosswire.clients.")]
    for name in names:
        importlib.import_module(name)
    print(len(names))
""")


def test_the_public_names_are_complete_and_sorted() -> None:
    public = [name for name, thing in vars(clients).items() if not name.startswith("_") and not inspect.ismodule(thing)]
    public.remove("annotations")
    assert clients.__all__ == sorted(public)
    assert all(inspect.getdoc(getattr(clients, name)) for name in clients.__all__)


def test_every_module_imports_where_the_other_rooms_and_their_libraries_are_missing() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED_IMPORTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) >= 20


@pytest.mark.parametrize("name", clients.__all__)
def test_public_annotations_can_be_read(name: str) -> None:
    """The API reference, and everything else that asks for types, reads them as they are written."""
    public = getattr(clients, name)
    for member in (public, *vars(public).values()) if isinstance(public, type) else (public,):
        if callable(member):
            get_type_hints(member)
