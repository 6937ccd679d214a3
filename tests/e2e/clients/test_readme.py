"""The README's words about clients: the snippet runs, also where nothing but the `client` extra is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.environments import sources
from tests.support.guides import execute, lay_out
from tests.support.paths import ROOT

PINS = ("-c", str(ROOT / "constraints.txt")) if sys.version_info[:2] == (3, 11) else ()
BANNED = ("torch", "lightning", "onnx", "onnxruntime", "pytriton", "starlette", "uvicorn")


def snippet(url: str) -> str:
    """Return the README's Python, asking another server than the one of its text."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "from crosswire.clients import Predictor" in block)
    assert "grpc://127.0.0.1:8001" in code
    return str(code.replace("grpc://127.0.0.1:8001", url))


def run_snippet(python: Path | str, url: str, folder: Path, more: str = "", **options: Any) -> str:
    """Run the snippet in a folder that holds the demo's pictures; return what it printed."""
    (folder / "demo").symlink_to(ROOT / "demo")
    done = subprocess.run(
        [python, "-W", "error", "-c", snippet(url) + more], cwd=folder, capture_output=True, text=True, **options
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    with Image.open(folder / "overlay.png") as overlay, Image.open(ROOT / "demo/rooms/room_0.rgb.jpg") as rgb:
        assert overlay.size == rgb.size
    return done.stdout


def test_the_snippet_of_the_readme_runs(server: Any, tmp_path: Path) -> None:
    share, shape = run_snippet(sys.executable, server.grpc_url, tmp_path, env={"PYTHONPATH": str(ROOT)}).split(" ", 1)
    assert 0 < float(share) < 1 and re.fullmatch(r"\(\d+, \d+\)\n", shape)


@pytest.mark.thorough  # `make test-client` holds every test of the clients to the same
def test_the_client_extra_alone_is_enough_for_the_snippet(server: Any, tmp_path: Path) -> None:
    """In an empty environment; the wheels come from pip's cache or the package index."""
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--retries", "0", "--no-compile", *PINS]
    install.append(f"{sources(tmp_path / 'sources')}[client]")
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode and "No matching distribution" in done.stdout + done.stderr:
        pytest.skip("no package index can be reached, and pip's cache lacks a wheel")
    assert done.returncode == 0, done.stderr
    more = f"""
import importlib.util
from crosswire import clients
assert clients.__file__.startswith({str(place)!r}), clients.__file__
print([name for name in {BANNED!r} if importlib.util.find_spec(name)])
"""
    assert run_snippet(python, server.grpc_url, tmp_path, more, env={}).splitlines()[-1] == "[]"


def test_the_page_on_clients_can_be_followed_to_its_end(tmp_path: Path) -> None:
    lay_out(tmp_path)
    execute(ROOT / "docs" / "clients.md", tmp_path)
    assert (tmp_path / "desk.png").stat().st_size
