"""Scoring on real frames of tables: plane removal, what makes frames worse, and what is said without frames."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.real.tables import CASES, add_noise, bend, lose_blocks, main, plane_heights, remove_plane, score
from crosswire.training.datasets.tabletops.classes import OBJECT
from crosswire.training.datasets.tabletops.tabletop_frames import TabletopFrames
from crosswire.training.engine.run_folder import Run
from crosswire.training.overrides import override
from crosswire.training.tasks.presets import preset
from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.network import build_network

SHAPE, FOCAL = (60, 80), 66.0
BOX = np.s_[20:40, 30:50]


@pytest.fixture
def depth() -> np.ndarray:
    """A plane 0.8 m below a camera that looks down at 45 degrees, and on it something 3 cm high."""
    down = ((np.arange(SHAPE[0]) + 0.5 - SHAPE[0] / 2) / FOCAL)[:, None] + np.zeros(SHAPE)
    height = np.full(SHAPE, 0.8)
    height[BOX] -= 0.03
    return (height / (np.sqrt(0.5) * (down + 1))).astype(np.float32)


def test_heights_are_measured_from_the_dominant_plane(depth: np.ndarray) -> None:
    depth[:5] = 0
    heights = plane_heights(depth, FOCAL, np.random.default_rng(0))
    expected = np.zeros(SHAPE)
    expected[BOX] = 0.03
    np.testing.assert_allclose(heights, expected, atol=1e-4)
    np.testing.assert_array_equal(remove_plane(depth, FOCAL, np.random.default_rng(0)), expected > 0)


def test_no_plane_is_found_in_too_few_readings(depth: np.ndarray) -> None:
    depth[1:] = 0
    assert (plane_heights(depth, FOCAL, np.random.default_rng(0)) == 0).all()


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_blocks_lose_the_share_that_is_asked_for(depth: np.ndarray, share: float) -> None:
    holed = lose_blocks(depth, share, np.random.default_rng(0))
    assert np.mean(holed == 0) == pytest.approx(share, abs=0.01)
    np.testing.assert_array_equal(holed[holed > 0], depth[holed > 0])


@pytest.mark.parametrize("change", [add_noise, bend])
def test_noise_and_bending_leave_holes_alone(depth: np.ndarray, change) -> None:  # type: ignore[no-untyped-def]
    depth[:5] = 0
    changed = change(depth, np.random.default_rng(0))
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(changed == 0, depth == 0)
    assert 0.003 < (changed - depth)[depth > 0].std() < 0.03


def test_a_network_is_scored_in_every_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = override(preset("tabletop-quick"), ["data.height=48", "data.width=64"])
    assert isinstance(config, SegmentationConfig)
    run = Run(tmp_path, config, build_network(config.network).eval())
    source = TabletopFrames(9, 2, 48, 64)
    scores = score(run, [source[0], source[1]], OBJECT, OBJECT)
    assert set(scores) == set(CASES)
    assert all(0 <= value <= 1 for case in scores.values() for value in case.values())
    assert scores["depth absent"]["plane removal"] == 0
    assert "depth absent" in capsys.readouterr().out


def test_nothing_is_run_without_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["real_tables", str(tmp_path), "--data", str(tmp_path / "nowhere")])
    assert main() == 0
    assert capsys.readouterr().err.startswith("not run: ")
