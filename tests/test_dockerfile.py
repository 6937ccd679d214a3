"""The image, as far as it can be tried without Docker: what it installs, and that what it copies is enough."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
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
    (line,) = (line for line in DOCKERFILE.splitlines() if "pip install" in line)
    installed = {name_of(one): one for one in shlex.split(line.split("--no-cache-dir")[1])}
    assert installed.pop("numpy") == "numpy>=1.26"
    assert installed == wanted


def test_what_the_image_copies_is_enough_for_what_it_runs(tmp_path: Path) -> None:
    for _, source, target in (line.split() for line in DOCKERFILE.splitlines() if line.startswith("COPY ")):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, tmp_path / target)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    runs = [line.removeprefix("RUN ") for line in DOCKERFILE.splitlines() if line.startswith("RUN python3 -m serving")]
    assert len(runs) == 1
    for command in (*runs, "python3 -m serving up --help"):
        words = [sys.executable, *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "triton" / "rooms_cen" / "config.pbtxt").is_file()
