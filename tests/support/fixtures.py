"""Fixtures of tests that train or serve: a tiny configuration, a trained run, exports made once, the real server."""

from __future__ import annotations

import dataclasses

import pytest

from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import Run, read_run
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from tests.support.fork_server import forks
from tests.support.servers.real import server
from tests.support.servers.small import small, small_repository
from tests.support.training.exports import exported_once

__all__ = ["exported_once", "forks", "server", "small", "small_repository", "tiny", "tiny_run"]


@pytest.fixture(scope="session")
def tiny() -> SegmentationConfig:
    """Return a run that trains in seconds."""
    quick = preset("rooms-quick")
    return dataclasses.replace(
        quick,
        network=dataclasses.replace(quick.network, name="refinenet14", width=8, features=8),
        optimiser=dataclasses.replace(quick.optimiser, encoder_lr=0.02, decoder_lr=0.005),
        data=DataConfig(height=64, width=80, train_scenes=16, val_scenes=4, test_scenes=8, batch=4),
        steps=6,
        val_every=3,
    )


@pytest.fixture(scope="session")
def tiny_run(tiny: SegmentationConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a trained tiny run, with a third of its penalised channels exchanged."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    fit(tiny, folder, progress=False)
    return read_run(folder)
