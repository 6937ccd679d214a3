"""Rerun files in an environment of their own: rerun-sdk needs numpy 2, the embedded server another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.mark.timeout(1200)
def test_a_rerun_file_holds_every_value_by_rerun_s_own_reader(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, f"{ROOT}[client,rerun]"], check=True)
    done = subprocess.run(
        [str(python), "-W", "error", "-m", "tests.support.outputs.rerun_trial", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert int(told["numpy"].split(".")[0]) >= 2
    assert min(told["compared"].values()) > 100_000
