"""The image, as far as it can be tried without Docker: what it installs, and that what it copies is enough."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
#: The image has its own Triton, whose backends are native and whose stubs take any numpy.
NOT_IN_THE_IMAGE = {"nvidia-pytriton", "onnxruntime", "tomli", "crosswire"}


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement names."""
    return re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0]


def test_the_image_installs_what_serving_asks_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {
        name_of(one): one for one in (*extras["serve"], *extras["traces"]) if name_of(one) not in NOT_IN_THE_IMAGE
    }
    (line,) = (line for line in DOCKERFILE.splitlines() if "pip install --no-cache-dir" in line)
    installed = {name_of(one): one for one in shlex.split(line.split("--no-cache-dir")[1])}
    assert (installed.pop("numpy"), wanted.pop("numpy")) == ("numpy>=1.26", "numpy<2; python_version < '3.13'")
    assert installed == wanted


def copy(words: list[str], folders: dict[str, Path], here: Path) -> None:
    """Do what a COPY line does: from this checkout, or from the folder of an earlier stage."""
    stage = words[0].removeprefix("--from=") if words[0].startswith("--from=") else None
    *sources, target = words[stage is not None :]
    for source in sources:
        whole = ROOT / source if stage is None else folders[stage] / Path(source).relative_to("/build")
        if whole.is_dir():
            shutil.copytree(whole, here / target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (here / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(whole, here / target)


def test_what_the_image_copies_is_enough_for_what_it_runs(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    installed, folders, here = tmp_path / "installed", dict[str, Path](), tmp_path
    ran = []
    for line in DOCKERFILE.splitlines():
        if line.startswith("FROM "):
            name = line.split(" AS ")[1] if " AS " in line else "image"
            here = folders[name] = tmp_path / name
            here.mkdir()
        elif line.startswith("COPY "):
            copy(line.split()[1:], folders, here)
        elif line.startswith("RUN ") and "venv" not in line:
            words = shlex.split(line.removeprefix("RUN "))
            if words[0] == "python3":
                words[0] = sys.executable
            if "install" in words:
                words += ["--target", str(installed)]
                environment |= {"PYTHONPATH": str(installed), "PATH": f"{installed / 'bin'}:{os.environ['PATH']}"}
            done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            ran.append(words[0])
    assert ran == [sys.executable, sys.executable, "crosswire"]
    assert (here / "triton" / "rooms_cen" / "config.pbtxt").is_file()
    step = (here / "triton" / "rooms_cen_decode" / "1" / "model.py").read_text(encoding="utf-8")
    assert str(installed) in step, "a step runs the code that is installed"
    (wheel,) = (folders["wheel"] / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        (top,) = (name for name in archive.namelist() if name.endswith("top_level.txt"))
        assert archive.read(top).split() == [b"crosswire"]
        assert {name.split("/")[0] for name in archive.namelist()} == {"crosswire", Path(top).parent.name}
        held = set(archive.namelist())
    assert {f"crosswire/{path}" for path in package_files()} <= held


def package_files() -> list[str]:
    """Return every file of the rooms that an installation needs."""
    rooms = ("contract", "media", "training", "export", "serving", "clients", "offline")
    found = [path for room in rooms for path in (ROOT / room).rglob("*") if path.is_file()]
    return [str(path.relative_to(ROOT)) for path in found if path.suffix not in (".pyc", ".md")]
