"""Outputs of a stream, read by others' libraries in environments of their own.

rerun-sdk needs numpy 2, the embedded server another one; Open3D brings half a gigabyte.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crosswire.clients.streaming.outputs.cloud import CloudWriter
from crosswire.clients.streaming.outputs.frame import StreamFacts
from tests.support.outputs.labelled import LENS, labelled
from tests.support.outputs.ply import read_ply
from tests.support.paths import ROOT


def environment(folder: Path, *packages: str) -> Path:
    """Return the Python of a new environment with packages."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, *packages], env=alone, check=True)
    return python


def run(python: Path, module: str, *words: Path) -> str:
    """Run a module in an environment; return what it prints."""
    command = [str(python), "-W", "error::UserWarning", "-m", module, *map(str, words)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(1200)
def test_a_rerun_file_and_a_parquet_table_hold_every_value_by_their_own_readers(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "--editable", f"{ROOT}[client,rerun]", "pyarrow")
    told = json.loads(run(python, "tests.support.outputs.rerun_trial", tmp_path / "out").splitlines()[-1])
    assert int(told["numpy"].split(".")[0]) >= 2
    assert min(told["compared"].values()) > 100_000


@pytest.mark.timeout(1800)
def test_open3d_reads_the_points_of_a_labelled_cloud(tmp_path: Path) -> None:
    with CloudWriter(tmp_path, StreamFacts(LENS)) as clouds:
        clouds.add(labelled(1))
    python = environment(tmp_path / "venv", "open3d")
    run(python, "tests.support.outputs.open3d_trial", tmp_path / "000001.ply", tmp_path / "read.npz")
    points, _ = read_ply(tmp_path / "000001.ply")
    with np.load(tmp_path / "read.npz") as read:
        assert np.array_equal(read["positions"], np.stack([points[name] for name in "xyz"], axis=-1))
        assert np.array_equal(read["colors"], np.stack([points[name] for name in ("red", "green", "blue")], axis=-1))
        for name in ("label", "confidence"):
            assert np.array_equal(read[name].reshape(-1), points[name])
