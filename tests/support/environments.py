"""Environments of their own, for packages that cannot lie beside those of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.paths import ROOT


def environment(folder: Path, *packages: str) -> Path:
    """Return the Python of a new environment with packages."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, *packages], env=alone, check=True)
    return python


def sources(folder: Path) -> Path:
    """Return a new folder with what the wheel is built of: a build leaves files beside its sources."""
    for name in ("crosswire", "contract", "media", "training", "export", "serving", "clients", "offline"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def run_module(python: Path, module: str, *words: object) -> str:
    """Run a module in an environment; return what it prints."""
    command = [str(python), "-W", "error::UserWarning", "-m", module, *map(str, words)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def beside(folder: Path, *packages: str) -> Path:
    """Return a folder with packages, without what they need, for PYTHONPATH beside those of this environment."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, "--no-deps", "--target", str(folder), *packages], env=alone, check=True)
    return folder


def above(folder: Path, *packages: str) -> Path:
    """Return the Python of a new environment with packages, without what they need, before all those of this one."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin/python"
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "below.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [*install, "--no-deps", "--ignore-installed", *packages]
    subprocess.run(command, env=alone, check=True)
    return python
