"""The studies of the number of features: maps there and back, and how far a network over-fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crosswire.training.engine.fit import fit
from crosswire.training.engine.run_folder import read_run
from crosswire.training.tasks.audio_video.evaluate import score
from research.study.theory.lifting import Frozen, lifted
from research.study.theory.width import WIDTH, observe
from tests.integration.training.tasks.test_audio_video_training import small


@pytest.fixture(scope="module")
def features() -> Frozen:
    """Features [N, 6] of three classes, which four of them tell apart."""
    random = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(3, 6, generator=random)
    labels = torch.arange(120) % 3
    values = centres[labels] + torch.randn(120, 6, generator=random)
    return Frozen(values[:90], labels[:90], values[90:], labels[90:])


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_maps_to_more_features_and_back_keep_all_of_them_and_to_fewer_do_not(features: Frozen, factor: float) -> None:
    figures = lifted(features, factor, seed=0)
    assert figures["rank"] == min(factor, 1.0)
    assert (figures["error"] < 1e-6) == (factor >= 1)
    assert figures["accuracy"] > 0.9 and figures["entropy"] < 0.4


def test_features_as_they_are_have_no_map(features: Frozen) -> None:
    figures = lifted(features, None, seed=0)
    assert set(figures) == {"accuracy", "entropy"} and figures["accuracy"] > 0.9


def test_the_ratio_is_that_of_the_accuracies_on_test_and_training_clips(tmp_path: Path) -> None:
    fit(small("events-audio", "steps=2", "val_every=2"), tmp_path, progress=False)
    run = read_run(tmp_path)
    figures = WIDTH.read(score(run, progress=False)) | observe(run)
    assert 0 <= figures["test"] <= 1 and 0 < figures["train"] <= 1
    assert figures["ratio"] == pytest.approx(figures["test"] / figures["train"])
