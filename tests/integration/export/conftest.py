"""A trained network that is translated to ONNX in half the time: it has fewer operators than that of other tests."""

from __future__ import annotations

import dataclasses

import pytest

from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import Run, read_run
from crosswire.training.tasks.segmentation.config import SegmentationConfig


@pytest.fixture(scope="session")
def tiny_run(tiny: SegmentationConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a trained tiny run."""
    folder = tmp_path_factory.mktemp("runs") / "tiny_pspnet"
    network = dataclasses.replace(tiny.network, name="pspnet14")
    fit(dataclasses.replace(tiny, network=network), folder, progress=False)
    return read_run(folder)
