"""The images, as far as they can be tried without Docker: what they install, and that what they copy is enough."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from crosswire.serving.__main__ import _parser, _settings
from crosswire.serving.repository.model_config import Runtime
from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


DOCKERFILE, CPU = (
    (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ") for name in ("Dockerfile", "deploy/cpu.Dockerfile")
)
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


def test_the_cpu_image_installs_the_tested_set_of_what_serving_asks_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (line,) = (line for line in CPU.splitlines() if "pip install" in line)
    words = shlex.split(line.partition("pip install")[2])
    assert words[:3] == ["--no-cache-dir", "--constraint", "constraints.txt"] and "constraints.txt" in copied(CPU)
    (named,) = words[3:]
    asked = re.search(r"crosswire-\*\.whl\)\[([a-z,]+)\]$", named)
    assert asked and set(asked[1].split(",")) == {"serve", "traces"} <= set(extras)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert CPU.count("FROM python:3.11-slim") == 2 and "(3, 11) and print" in makefile, "which constraints.txt is for"


def copied(dockerfile: str) -> set[str]:
    """Return the files that a Dockerfile copies from the checkout."""
    lines = (line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY "))
    return {word for words in lines if not words[0].startswith("--from=") for word in words}


def run(line: str, here: Path, installed: Path) -> list[str]:
    """Do what a RUN line does, with this Python and without what it depends on; returns the programs that ran."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if installed.exists():
        environment |= {"PYTHONPATH": str(installed), "PATH": f"{installed / 'bin'}:{os.environ['PATH']}"}
    ran = []
    if "dist/crosswire-*.whl" in line:
        line = f"python3 -m pip install --no-deps --no-index {next(here.glob('dist/crosswire-*.whl'))}"
    for part in line.split("&&"):
        words = shlex.split(part)
        if words[0] == "python3":
            words[0] = sys.executable
        if "install" in words:
            words += ["--target", str(installed)]
        done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        ran.append(words[0])
    return ran


def stages(dockerfile: str) -> dict[str, list[str]]:
    """Return the lines of every stage of a Dockerfile, by its name; the last one is called `image`."""
    found: dict[str, list[str]] = {}
    for line in dockerfile.splitlines():
        if line.startswith("FROM "):
            lines = found.setdefault(line.split(" AS ")[1] if " AS " in line else "image", [])
        elif line.startswith(("COPY ", "RUN ")):
            lines.append(line)
    return found


def carry_out(lines: list[str], folder: Path, earlier: dict[str, Path], installed: Path) -> list[str]:
    """Do what a stage says, as far as that needs no image; returns the programs that ran."""
    folder.mkdir()
    ran = []
    for line in lines:
        verb, _, rest = line.partition(" ")
        if verb == "COPY":
            copy(rest.split(), earlier, folder)
        elif "venv" not in rest or ".whl" in rest:
            ran += run(rest, folder, installed)
    return ran


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stage that builds the wheel, which is the same for both images."""
    assert stages(DOCKERFILE)["wheel"] == stages(CPU)["wheel"]
    folder = tmp_path_factory.mktemp("stages") / "wheel"
    assert carry_out(stages(CPU)["wheel"], folder, {}, folder.parent / "installed") == [sys.executable]
    return folder


def test_what_the_image_copies_is_enough_for_what_it_runs(wheel: Path, tmp_path: Path) -> None:
    here, installed = tmp_path / "image", tmp_path / "installed"
    ran = carry_out(stages(DOCKERFILE)["image"], here, {"wheel": wheel}, installed)
    assert ran == [sys.executable, "crosswire"]
    assert (here / "triton" / "rooms_cen" / "config.pbtxt").is_file()
    step = (here / "triton" / "rooms_cen_decode" / "1" / "model.py").read_text(encoding="utf-8")
    assert str(installed) in step, "a step runs the code that is installed"
    (built,) = (wheel / "dist").iterdir()
    with zipfile.ZipFile(built) as archive:
        (top,) = (name for name in archive.namelist() if name.endswith("top_level.txt"))
        assert archive.read(top).split() == [b"crosswire"]
        assert {name.split("/")[0] for name in archive.namelist()} == {"crosswire", Path(top).parent.name}
        held = set(archive.namelist())
    assert {f"crosswire/{path}" for path in package_files()} <= held


def test_what_the_cpu_image_copies_is_enough_for_what_it_runs(wheel: Path, tmp_path: Path) -> None:
    here = tmp_path / "image"
    ran = carry_out(stages(CPU)["image"], here, {"wheel": wheel}, tmp_path / "installed")
    assert ran == [sys.executable, "crosswire", "rm"]
    assert {one.name for one in here.iterdir()} == {"constraints.txt", "dist", "model_repository"}


def test_both_images_are_started_as_their_last_lines_say() -> None:
    for dockerfile, runtime in ((DOCKERFILE, Runtime.CONTAINER), (CPU, Runtime.EMBEDDED)):
        entry, words = (
            json.loads(line.partition(" ")[2])
            for line in dockerfile.splitlines()
            if line.startswith(("ENTRYPOINT ", "CMD "))
        )
        options = _parser().parse_args([*entry[1:], *words])
        chosen = _settings(options)
        assert entry[0] == "crosswire" and chosen.runtime is runtime and chosen.host == "0.0.0.0"
        assert f"EXPOSE {chosen.http_port} {chosen.grpc_port}" in dockerfile and "USER 65532:65532" in dockerfile


def package_files() -> list[str]:
    """Return every file of the rooms that an installation needs."""
    rooms = ("contract", "media", "training", "export", "serving", "clients", "offline")
    found = [path for room in rooms for path in (ROOT / room).rglob("*") if path.is_file()]
    return [str(path.relative_to(ROOT)) for path in found if path.suffix not in (".pyc", ".md")]
