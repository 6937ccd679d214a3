"""Fixtures that every test may use: tiny configurations, a trained run, its export, and the real server."""

from __future__ import annotations

import dataclasses
import os

import pytest
import torch

from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import Run, read_run
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import DataConfig, SegmentationConfig
from tests import needs
from tests.exports import exported_once  # noqa: F401  (a fixture: equal networks are translated to ONNX once)
from tests.fork_server import forks  # noqa: F401  (a fixture: commands as processes that need not import PyTorch)
from tests.servers import server  # noqa: F401  (a fixture: one real server for the whole session)
from tests.small_server import small, small_repository  # noqa: F401  (fixtures: the same for small networks)

pytest_plugins = ["pytester"]


LONGEST = ("test_guides", "test_translation_training", "test_export_precision", "test_freeze", "test_resume")


def pytest_configure() -> None:
    """Use one thread, or `CROSSWIRE_TEST_THREADS`, here and in child processes: on few pixels more are slower."""
    threads = os.environ.get("CROSSWIRE_TEST_THREADS", "1")
    torch.set_num_threads(int(threads))
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = threads


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one of them at the end."""
    longest = {f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: longest.get(item.path.name, len(longest)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the programs that a test needs before its fixtures do."""
    needs.check(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested for want of a program."""
    needs.tell(terminalreporter)


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
