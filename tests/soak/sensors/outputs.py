"""Outputs of a stream, read by others' libraries in environments of their own.

rerun-sdk needs numpy 2, the embedded server another one; Open3D brings half a gigabyte.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crosswire.clients.streaming.outputs.cloud import CloudWriter
from crosswire.clients.streaming.outputs.frame import StreamFacts
from tests.support.environments import environment, run_module
from tests.support.outputs.labelled import LENS, labelled
from tests.support.outputs.ply import read_ply
from tests.support.paths import ROOT


@pytest.mark.timeout(1200)
def test_a_rerun_file_and_a_parquet_table_hold_every_value_by_their_own_readers(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "--editable", f"{ROOT}[client,rerun]", "pyarrow")
    told = json.loads(run_module(python, "tests.support.outputs.rerun_trial", tmp_path / "out").splitlines()[-1])
    assert int(told["numpy"].split(".")[0]) >= 2
    assert min(told["compared"].values()) > 100_000


@pytest.mark.timeout(1800)
def test_open3d_reads_the_points_of_a_labelled_cloud(tmp_path: Path) -> None:
    with CloudWriter(tmp_path, StreamFacts(LENS)) as clouds:
        clouds.add(labelled(1))
    python = environment(tmp_path / "venv", "open3d")
    run_module(python, "tests.support.outputs.open3d_trial", tmp_path / "000001.ply", tmp_path / "read.npz")
    points, _ = read_ply(tmp_path / "000001.ply")
    with np.load(tmp_path / "read.npz") as read:
        assert np.array_equal(read["positions"], np.stack([points[name] for name in "xyz"], axis=-1))
        assert np.array_equal(read["colors"], np.stack([points[name] for name in ("red", "green", "blue")], axis=-1))
        for name in ("label", "confidence"):
            assert np.array_equal(read[name].reshape(-1), points[name])
