"""The committed translations: their graphs answer as the runs that they come from, and better than any constant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.contract import Contract, sha256_of
from export.parity import onnx_runner, torch_runner
from export.picture_servable import PREDICTED, PictureServable
from export.pictures import views_of
from training.presets import preset
from training.run_folder import WEIGHTS, read_metrics, read_run

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = {"rooms_translate": ("rgb",), "rooms_multitask": ("depth", "normal")}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_committed_translation_is_that_of_its_preset_and_small(name: str) -> None:
    folder, run = ROOT / "model_repository" / name, ROOT / "tests" / "runs" / name
    contract = Contract.load(folder)
    contract.verify(folder)
    assert read_run(run).config == preset(name.replace("_", "-"))
    assert contract.run.weights_sha256 == sha256_of(run / WEIGHTS)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 8e6
    share = contract.metrics["exchanged_share"]
    assert 0.05 < share < 0.6, share


@pytest.mark.parametrize("name", NETWORKS)
def test_a_committed_translation_errs_clearly_less_than_the_best_constant(name: str) -> None:
    scores = read_metrics(ROOT / "tests" / "runs" / name)["scores"]
    for output in NETWORKS[name]:
        assert scores[output]["mae"] < 0.8 * scores[output]["constant_mae"]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_committed_graph_answers_as_pytorch_on_rooms_that_it_has_never_seen(name: str) -> None:
    folder = ROOT / "model_repository" / name
    contract, run = Contract.load(folder), read_run(ROOT / "tests" / "runs" / name)
    live = torch_runner(PictureServable(run.network, run.config.network).eval())
    served = onnx_runner(folder / contract.graph.file)
    errors: dict[str, list[float]] = {output: [] for output in NETWORKS[name]}
    for raw, truths in views_of(run, contract.inputs, 6):
        for output, one, other, true in zip(NETWORKS[name], live(raw), served(raw), truths, strict=True):
            near = np.abs(one.astype(float) - other.astype(float)) <= np.maximum(1.0, 1e-3 * np.abs(one.astype(float)))
            assert near.mean() > 0.99
            errors[output].append(float(np.abs(other[0].astype(float) - true.astype(float)).mean()))
    for evaluation in contract.evaluation:
        output = evaluation.metric.removeprefix(f"mae of {PREDICTED}")
        assert np.mean(errors[output]) == pytest.approx(evaluation.served, rel=0.5)
