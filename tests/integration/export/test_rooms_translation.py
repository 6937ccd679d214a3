"""The committed translations: their graphs answer as the runs that they come from, and better than any constant."""

from __future__ import annotations

import numpy as np
import pytest

from crosswire.contract import Contract, sha256_of
from crosswire.contract.wire_names import PREDICTED
from crosswire.export.parity import onnx_runner, torch_runner
from crosswire.export.tasks.translation.exporter import EVALUATED, samples_of
from crosswire.export.tasks.translation.servable import TranslationServable
from crosswire.training.engine.run_folder import WEIGHTS, read_metrics, read_run
from crosswire.training.tasks.presets import preset
from tests.integration.export.test_translation import assert_alike
from tests.support.paths import ROOT

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
    live = torch_runner(TranslationServable(run.network, run.config.network).eval())
    served = onnx_runner(folder / contract.graph.file)
    for raw, _ in samples_of(run, contract.inputs, 6):
        for one, other in zip(live(raw), served(raw), strict=True):
            assert_alike(other, one)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_committed_graph_errs_as_its_contract_says(name: str) -> None:
    folder = ROOT / "model_repository" / name
    contract, run = Contract.load(folder), read_run(ROOT / "tests" / "runs" / name)
    served = onnx_runner(folder / contract.graph.file)
    views = samples_of(run, contract.inputs, EVALUATED)
    assert {evaluation.inputs for evaluation in contract.evaluation} == {f"rooms, {len(views)} test views"}
    errors: dict[str, list[float]] = {f"mae of {PREDICTED}{output}": [] for output in NETWORKS[name]}
    for raw, truths in views:
        for found, answer, true in zip(errors.values(), served(raw), truths, strict=True):
            found.append(float(np.abs(answer[0].astype(float) - true.astype(float)).mean()))
    assert {metric: np.mean(found) for metric, found in errors.items()} == pytest.approx(
        {evaluation.metric: evaluation.served for evaluation in contract.evaluation}, rel=1e-4
    )
