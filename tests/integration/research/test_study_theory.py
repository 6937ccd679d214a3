"""The study of the theory: its mathematics against known numbers, and its way from trainings to verdicts."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from crosswire.training.tasks.segmentation.config import SegmentationConfig
from crosswire.training.tasks.segmentation.data import frames, train_loader
from crosswire.training.tasks.segmentation.network import build_network
from research.study.record import as_json, as_text, draw
from research.study.runner import run_study
from research.study.study import AGREES, OPEN, REFUTED, Computation, Study, StudyRow, StudyTable
from research.study.theory.corollary import changes
from research.study.theory.exchange import RATIOS, THEORY
from research.study.theory.theorem import attraction, drawn, gradients, observed
from research.study.theory.trajectories import fates


def verdicts(table: StudyTable, source: str) -> list[str]:
    """Return the verdicts on the claims of a source."""
    return [claim.judge(table).word for claim in THEORY.claims if claim.source == source]


def test_the_probability_of_theorem_1_has_the_values_and_limits_that_it_must() -> None:
    known = (0.0797, 0.3829, 0.6827, 0.9000, 0.9545, 0.9973)
    assert [round(attraction(ratio), 4) for ratio in RATIOS] == pytest.approx(known, abs=1e-4)
    assert attraction(0) == 0 and attraction(math.inf) == 1


@pytest.mark.parametrize("ratio", RATIOS)
def test_drawn_normals_attract_as_the_l2_norm_says_and_not_as_the_sum_of_moduli_does(ratio: float) -> None:
    found = drawn(ratio, seed=0, draws=100_000)
    error = math.sqrt(found["predicted"] * (1 - found["predicted"]) / 100_000)
    assert abs(found["seen"] - found["predicted"]) < 4 * error < abs(found["seen"] - found["l1"])


def test_independent_normal_activations_of_a_network_would_fit_the_theorem() -> None:
    random = torch.Generator().manual_seed(0)
    norms = torch.rand(20_000, generator=random) + 0.1
    slopes = (norms * torch.randn(20_000, generator=random)).abs()
    sizes = torch.cat([torch.zeros(10_000), torch.ones(10_000)])
    found = observed(sizes, slopes, norms, pressure=0.5, threshold=0.01)
    assert found["spread"] == pytest.approx(1, abs=0.03)
    assert found["seen"] == pytest.approx(found["predicted"], abs=0.02)
    twice = observed(sizes, 2 * slopes, norms, pressure=0.5, threshold=0.01)
    assert twice["spread"] == pytest.approx(2, abs=0.06) and twice["seen"] < found["seen"] - 0.1


def test_the_gradients_of_a_network_are_those_that_the_theorem_speaks_of(tiny: SegmentationConfig) -> None:
    network = build_network(dataclasses.replace(tiny.network, fusion="none", penalise="half"))
    batch = next(iter(train_loader(tiny, frames(tiny.data, "train"), lambda: 0)))
    sizes, slopes, norms = gradients(network, tiny.network, [batch, batch], stream_loss=0.5)
    assert sizes.shape == slopes.shape == norms.shape
    assert len(sizes) == 2 * sum(norm.channels for norm in network.modules() if getattr(norm, "penalise", "") == "half")
    # |Σ g z| is at most ‖g‖ ‖z‖, and normalised activations have mean square 1.
    pixels = tiny.data.batch * tiny.data.height * tiny.data.width
    assert bool((norms > 0).all()) and bool((slopes <= norms * math.sqrt(pixels)).all())


@pytest.mark.parametrize("seed", range(3))
def test_a_channel_with_gamma_0_is_free_inside_but_not_at_the_border_nor_with_shared_convolutions(seed: int) -> None:
    found = changes(seed)
    assert found["inside"] < 1e-4
    assert found["border"] > 0.05 and found["other"] > 0.05


def test_a_scaling_factor_that_came_under_the_threshold_stays_or_recovers_or_neither() -> None:
    ways = [[1, 1, 1], [1, 0.01, 0], [1, 0.001, 0.05], [0, 0.2, 0.005]]  # never, stays, neither, both
    found = fates(np.asarray(ways, np.float32).T, threshold=0.01)
    assert found == pytest.approx({"reached": 3 / 4, "stayed": 2 / 3, "recovered": 1 / 3})
    assert fates(np.ones((3, 2), np.float32), 0.01) == {"reached": 0, "stayed": 0, "recovered": 0}


def test_the_verdicts_on_the_corollary_name_where_it_does_not_hold() -> None:
    rows = {row.name: [row.compute(0)] for row in THEORY.rows("cpu") if isinstance(row, Computation)}
    assert verdicts(StudyTable(rows), "CEN, Corollary 1") == [AGREES, REFUTED, AGREES]
    assert verdicts(StudyTable(rows), "CEN journal, Theorem 1") == [AGREES]


@pytest.fixture
def small(tiny: SegmentationConfig) -> Study:
    """Return the study with trainings that take a moment."""

    def rows(size: str) -> list[StudyRow | Computation]:
        return [
            dataclasses.replace(row, config=_like(tiny, row)) if isinstance(row, StudyRow) else row
            for row in THEORY.rows(size)
        ]

    return dataclasses.replace(THEORY, rows=rows)


def _like(tiny: SegmentationConfig, row: StudyRow) -> SegmentationConfig:
    """Return the tiny run with the fusion of a row."""
    like = row.config.network
    network = dataclasses.replace(tiny.network, fusion=like.fusion, penalise=like.penalise)
    return dataclasses.replace(tiny, network=network)


def test_the_study_trains_computes_judges_and_draws_and_a_second_call_trains_nothing(
    small: Study, tmp_path: Path
) -> None:
    table = run_study(small, "cpu", 1, tmp_path, progress=False)
    assert run_study(small, "cpu", 1, tmp_path, minutes=0, progress=False) == table
    record = json.loads(json.dumps(as_json(small, table, "cpu", 1, "command")))
    assert {verdict["verdict"] for verdict in record["verdicts"]} <= {AGREES, REFUTED, OPEN}
    trained = record["rows"][-2]["figures"]
    assert {"predicted", "seen", "spread", "reached", "parameters"} <= set(trained)
    assert "parameters" not in record["rows"][0]["figures"] and "λ/g = 0.1" in as_text(small, table)
    draw(tmp_path / "study.png", small, table, tmp_path)
    assert (tmp_path / "study.png").stat().st_size > 10_000
