"""Training as it is launched and what it is compared with, for real: `make soak`. Imports take longest in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crosswire.training.__main__ import main
from crosswire.training.engine.checkpoints import LAST
from tests.integration.training.engine.test_processes import assert_close, words
from tests.reference.spectrograms import computed, kept

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def torchrun(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run `training` in two processes."""
    command = [sys.executable, *TORCHRUN, "-m", "crosswire.training", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, env={**os.environ, **ONE_THREAD})


def test_torchrun_trains_the_weights_of_one_process(tmp_path: Path) -> None:
    ended = torchrun(words(tmp_path / "2"))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("written:") == 1
    assert main(words(tmp_path / "1")) == 0
    assert_close(*(torch.load(tmp_path / name / LAST, weights_only=True) for name in ("1", "2")))


def test_librosa_computes_what_is_kept_of_it() -> None:
    found = computed()
    for name, values in kept().items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("batch", ["3", "1"])
def test_torchrun_refuses_a_batch_that_processes_cannot_share(batch: str, tmp_path: Path) -> None:
    ended = torchrun(words(tmp_path / "odd", **{"data.batch": batch}))
    assert ended.returncode != 0
    assert f"data.batch is {batch}, which 2 processes cannot share evenly" in ended.stderr
    assert not (tmp_path / "odd").exists()
